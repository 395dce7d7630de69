"""Benchmarks of Bezant against its peers. See README.md beside this file for the method."""
