// node oidc-provider with a store of its own on SQLite (better-sqlite3, WAL), for bench/peers/oidc_provider.py.
//
// Usage: node oidc_provider.mjs '{"port": ..., "database": ..., "synchronous": "NORMAL", "client": ..., "secret": ...,
//                                 "audience": ..., "scope": ..., "seeds": 100, "tokens": "file.json"}'
//
// Access tokens are ES256 JWTs (by way of a resource indicator), refresh tokens rotate at every use. There is no
// password grant, so the refresh tokens to begin with are made here, through the library's own models.

import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import Provider from 'oidc-provider';

const options = JSON.parse(process.argv[2]);

const db = new Database(options.database);
db.pragma('journal_mode = WAL');
db.pragma(`synchronous = ${options.synchronous}`);
db.exec(`
  CREATE TABLE IF NOT EXISTS artifact (
    kind TEXT NOT NULL, id TEXT NOT NULL, grant_id TEXT, uid TEXT, user_code TEXT,
    payload TEXT NOT NULL, expires_at INTEGER, consumed_at INTEGER, PRIMARY KEY (kind, id)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS artifact_grant ON artifact (grant_id) WHERE grant_id IS NOT NULL;
`);
const sql = {
  upsert: db.prepare(`
    INSERT INTO artifact (kind, id, grant_id, uid, user_code, payload, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (kind, id) DO UPDATE SET grant_id = excluded.grant_id, uid = excluded.uid,
      user_code = excluded.user_code, payload = excluded.payload, expires_at = excluded.expires_at`),
  byId: db.prepare('SELECT payload, consumed_at FROM artifact WHERE kind = ? AND id = ?'),
  byUid: db.prepare('SELECT payload, consumed_at FROM artifact WHERE kind = ? AND uid = ?'),
  byUserCode: db.prepare('SELECT payload, consumed_at FROM artifact WHERE kind = ? AND user_code = ?'),
  consume: db.prepare('UPDATE artifact SET consumed_at = ? WHERE kind = ? AND id = ?'),
  remove: db.prepare('DELETE FROM artifact WHERE kind = ? AND id = ?'),
  removeGrant: db.prepare('DELETE FROM artifact WHERE grant_id = ?'),
};
const now = () => Math.floor(Date.now() / 1000);
const read = (row) => row && { ...JSON.parse(row.payload), ...(row.consumed_at && { consumed: row.consumed_at }) };

class SqliteAdapter {
  constructor(kind) { this.kind = kind; }

  async upsert(id, payload, expiresIn) {
    const { grantId = null, uid = null, userCode = null } = payload;
    const expiresAt = expiresIn ? now() + expiresIn : null;
    sql.upsert.run(this.kind, id, grantId, uid, userCode, JSON.stringify(payload), expiresAt);
  }

  async find(id) { return read(sql.byId.get(this.kind, id)); }

  async findByUid(uid) { return read(sql.byUid.get(this.kind, uid)); }

  async findByUserCode(code) { return read(sql.byUserCode.get(this.kind, code)); }

  async consume(id) { sql.consume.run(now(), this.kind, id); }

  async destroy(id) { sql.remove.run(this.kind, id); }

  async revokeByGrantId(grantId) { sql.removeGrant.run(grantId); }
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const provider = new Provider(`http://127.0.0.1:${options.port}`, {
  adapter: SqliteAdapter,
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }] },
  clients: [{
    client_id: options.client,
    client_secret: options.secret,
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    redirect_uris: ['https://client.example.com/callback'],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: 'ES256',
  }],
  findAccount: async (ctx, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
  rotateRefreshToken: true,
  scopes: ['offline_access'],
  cookies: { keys: ['not used: no browser takes part'] },
  ttl: { AccessToken: 600, ClientCredentials: 600, Grant: 1209600, RefreshToken: 1209600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => options.audience,
      useGrantedResource: async () => true,
      getResourceServerInfo: async () => ({
        scope: options.scope,
        audience: options.audience,
        accessTokenTTL: 600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});

const client = await provider.Client.find(options.client);
const tokens = [];
for (let number = 0; number < options.seeds; number += 1) {
  const accountId = `user-${number}`;
  const grant = new provider.Grant({ accountId, clientId: options.client });
  grant.addOIDCScope('offline_access');
  grant.addResourceScope(options.audience, options.scope);
  const refreshToken = new provider.RefreshToken({
    accountId,
    client,
    grantId: await grant.save(),
    gty: 'authorization_code',
    authTime: now(),
    resource: options.audience,
    scope: `offline_access ${options.scope}`,
    expiresWithSession: false,
  });
  tokens.push(await refreshToken.save());
}
writeFileSync(options.tokens, JSON.stringify(tokens));
provider.listen(options.port, '127.0.0.1');
