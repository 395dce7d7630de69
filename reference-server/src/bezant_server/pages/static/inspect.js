"use strict";

// Reads a token where it was pasted. Nothing here sends anything, and the page's policy would not
// let it.

const part = (encoded) => {
  if (!/^[A-Za-z0-9_-]+$/.test(encoded)) throw new Error("not base64url");
  const binary = atob(encoded.replace(/-/g, "+").replace(/_/g, "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("not an object");
  }
  return value;
};

const element = (id) => document.getElementById(id);

const showTimes = (claims) => {
  const { expired, valid } = element("inspector").dataset;
  const list = element("moments");
  list.replaceChildren();
  for (const name of ["auth_time", "iat", "nbf", "exp"]) {
    const date = new Date(claims[name] * 1000);
    if (typeof claims[name] !== "number" || Number.isNaN(date.getTime())) continue;
    const term = document.createElement("dt");
    term.textContent = name;
    const text = document.createElement("dd");
    text.textContent = date.toLocaleString(document.documentElement.lang);
    if (name === "exp") text.textContent += ` (${date < new Date() ? expired : valid})`;
    list.append(term, text);
  }
  element("times").hidden = list.childElementCount === 0;
};

const show = () => {
  const token = element("token").value.trim().replace(/^bearer\s+/i, "");
  element("bad").hidden = true;
  element("shown").hidden = true;
  if (token === "") return;
  try {
    const parts = token.split(".");
    if (parts.length !== 3) throw new Error("not three parts");
    const [header, claims] = [part(parts[0]), part(parts[1])];
    element("header").textContent = JSON.stringify(header, null, 2);
    element("claims").textContent = JSON.stringify(claims, null, 2);
    showTimes(claims);
    element("shown").hidden = false;
  } catch {
    element("bad").hidden = false;
  }
};

element("token").addEventListener("input", show);
show();
