// openid-client as its users write it: sign in, ask who it is, refresh, sign out. Whoever runs this
// is the browser: it is told where to go, and tells where it came back to.
import { createInterface } from "node:readline";
import * as client from "openid-client";

const redirect_uri = "http://127.0.0.1:9000/callback";
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const config = await client.discovery(
  new URL(process.argv[2]),
  "shop",
  undefined,
  client.None(),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);

const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const expectedNonce = client.randomNonce();
const authorization = client.buildAuthorizationUrl(config, {
  redirect_uri,
  scope: "openid profile items:read",
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: "S256",
  state: expectedState,
  nonce: expectedNonce,
  max_age: "600",
});
console.log(authorization.href);

const back = new URL((await lines.next()).value);
const checks = { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 600, idTokenExpected: true };
const tokens = await client.authorizationCodeGrant(config, back, checks);
const claims = tokens.claims();
const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
const again = await client.fetchUserInfo(config, refreshed.access_token, claims.sub);
let replayed = "taken";
try {
  await client.authorizationCodeGrant(config, back, checks);
} catch (error) {
  replayed = error.error;
}
console.log(JSON.stringify({ claims, info, again, replayed, scope: refreshed.scope }));

const logout = client.buildEndSessionUrl(config, {
  id_token_hint: tokens.id_token,
  post_logout_redirect_uri: "http://127.0.0.1:9000/",
  state: expectedState,
});
console.log(logout.href);
const left = new URL((await lines.next()).value);
console.log(left.searchParams.get("state") === expectedState ? "signed out" : "lost");
process.exit();
