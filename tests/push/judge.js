// Judges pushes with implementations that are not ours: http_ece decrypts
// (RFC 8188, RFC 8291), jose verifies the token (RFC 8292), web-push tells what
// request it would send itself (RFC 8030). Reads jobs as JSON, one a line, and
// answers each with one line, in order:
//
//   {"op": "receiver"}
//     makes the keys of a subscription: privateKey, p256dh, auth
//   {"op": "push", privateKey, auth, vapid, origin, now, body, headers,
//    endpoint}
//     vapid: the VAPID public key, as PEM or as a point in base64url
//     now: seconds since 1970, when the push was sent
//     headers: [[name, value], ...]; Authorization at least
//     endpoint: if given, the headers must be those that web-push sends there
//
// The answer to a push has `plaintext', `claims' of the token, `salt' and
// `sender' (the public key that was made for this push); or `error', which says
// what is wrong. Bytes are in base64url, `body' may be in base64 as well.
'use strict';

const crypto = require('crypto');
const readline = require('readline');
const ece = require('http_ece');
const jose = require('jose');
const webPush = require('web-push');

const CURVE = 'prime256v1';
const POINT_BYTES = 65;
const HEADER_BYTES = 16 + 4 + 1 + POINT_BYTES; // RFC 8188 2.1
const BODY_BYTES_MAX = 4096; // RFC 8030 7.2
const LIFETIME_SECS_MAX = 24 * 60 * 60; // RFC 8292 2

const encode = (bytes) => Buffer.from(bytes).toString('base64url');
const decode = (text) => Buffer.from(text, 'base64url'); // base64 as well

function check(condition, text) {
  if (!condition) {
    throw new Error(text);
  }
}

function makeReceiver() {
  const key = crypto.createECDH(CURVE);

  key.generateKeys();
  return {
    privateKey: encode(key.getPrivateKey()),
    p256dh: encode(key.getPublicKey()),
    auth: encode(crypto.randomBytes(16)),
  };
}

// Name in lower case -> value.
function readHeaders(pairs) {
  const headers = new Map();

  for (const [name, value] of pairs) {
    check(!headers.has(name.toLowerCase()), `two headers ${name}`);
    headers.set(name.toLowerCase(), value);
  }
  return headers;
}

// The header of the only record that a push may have (RFC 8291 4).
function readRecord(body) {
  check(body.length <= BODY_BYTES_MAX, `a body of ${body.length} bytes`);
  check(body.length > HEADER_BYTES, 'a body without a record');
  check(body[20] === POINT_BYTES, `a key id of ${body[20]} bytes`);
  const size = body.readUInt32BE(16);
  check(body.length - HEADER_BYTES <= size, 'more than one record');
  return { salt: body.subarray(0, 16), sender: body.subarray(21, HEADER_BYTES) };
}

function decrypt(job, body) {
  const privateKey = crypto.createECDH(CURVE);

  privateKey.setPrivateKey(decode(job.privateKey));
  try {
    return ece.decrypt(body, {
      version: 'aes128gcm', privateKey, authSecret: job.auth,
    });
  } catch (error) {
    throw new Error(`cannot decrypt: ${error.message}`);
  }
}

// The VAPID key as jose takes it, and its point.
async function readVapid(vapid) {
  if (!vapid.startsWith('-----BEGIN')) {
    const point = decode(vapid);
    check(point.length === POINT_BYTES && point[0] === 4, 'vapid is no point');
    const jwk = {
      kty: 'EC', crv: 'P-256', x: encode(point.subarray(1, 33)), y: encode(point.subarray(33)),
    };
    return { key: await jose.importJWK(jwk, 'ES256'), point };
  }
  const key = await jose.importSPKI(vapid, 'ES256', { extractable: true });
  const { x, y } = await jose.exportJWK(key);
  return { key, point: Buffer.concat([Buffer.from([4]), decode(x), decode(y)]) };
}

// RFC 8292: signed by the key that the client knows, for this service and no
// other, for no longer than a day, and telling whom to ask.
async function verifyToken(job, vapid, authorization) {
  const parts = /^vapid t=([\w.-]+), ?k=([\w-]+)$/.exec(authorization);

  check(parts, `Authorization is ${authorization}`);
  check(decode(parts[2]).equals(vapid.point), 'k is not the VAPID key');
  const { payload: claims } = await jose.jwtVerify(parts[1], vapid.key, {
    algorithms: ['ES256'],
    audience: job.origin,
    currentDate: new Date(job.now * 1000),
    requiredClaims: ['aud', 'exp', 'sub'],
    typ: 'JWT',
  }).catch((error) => { throw new Error(`the token: ${error.message}`); });
  check(claims.aud === job.origin, 'aud is not the origin alone');
  check(claims.exp - job.now <= LIFETIME_SECS_MAX, 'exp is more than a day away');
  check(/^(mailto:|https:\/\/)./.test(claims.sub), `sub is ${claims.sub}`);
  return claims;
}

// What web-push sends to the same endpoint with the same content.
function makeRequest(job, headers, subject, plaintext) {
  const receiver = crypto.createECDH(CURVE);

  receiver.setPrivateKey(decode(job.privateKey));
  const subscription = {
    endpoint: job.endpoint,
    keys: { p256dh: encode(receiver.getPublicKey()), auth: job.auth },
  };
  const topic = headers.get('topic');
  try {
    return webPush.generateRequestDetails(subscription, plaintext, {
      TTL: Number(headers.get('ttl')),
      urgency: headers.get('urgency'),
      ...(topic === undefined ? {} : { topic }),
      contentEncoding: 'aes128gcm',
      vapidDetails: { subject, ...webPush.generateVAPIDKeys() },
    });
  } catch (error) {
    throw new Error(`web-push would not send it: ${error.message}`);
  }
}

function checkRequest(job, headers, claims, plaintext, body) {
  for (const name of ['ttl', 'urgency']) {
    check(headers.has(name), `no header ${name}`);
  }
  check(headers.get('topic') !== '', 'Topic is empty'); // web-push would leave it out
  const request = makeRequest(job, headers, claims.sub, plaintext);
  const { aud } = jose.decodeJwt(/t=([^,]*)/.exec(request.headers.Authorization)[1]);
  check(claims.aud === aud, `aud is ${claims.aud}, ${aud} by web-push`);
  check(request.body.length === body.length,
    `${body.length} bytes, ${request.body.length} by web-push`);
  for (const [name, value] of Object.entries(request.headers)) {
    const ours = headers.get(name.toLowerCase());
    // HTTP/2 needs no length. The other one is signed anew each time.
    if (name !== 'Authorization' && !(name === 'Content-Length' && ours === undefined)) {
      check(ours === String(value), `${name} is ${ours}, ${value} by web-push`);
    }
  }
}

async function judgePush(job) {
  const headers = readHeaders(job.headers);
  const body = decode(job.body);
  const { salt, sender } = readRecord(body);
  const plaintext = decrypt(job, body);
  const vapid = await readVapid(job.vapid);

  check(headers.has('authorization'), 'no header Authorization');
  const claims = await verifyToken(job, vapid, headers.get('authorization'));
  check(!vapid.point.equals(sender), 'encrypted with the VAPID key');
  if (job.endpoint !== undefined) {
    checkRequest(job, headers, claims, plaintext, body);
  }
  return {
    plaintext: encode(plaintext), claims, salt: encode(salt), sender: encode(sender),
  };
}

async function answer(line) {
  try {
    const job = JSON.parse(line);
    if (job.op === 'receiver') {
      return makeReceiver();
    }
    check(job.op === 'push', `unknown op ${job.op}`);
    return await judgePush(job);
  } catch (error) {
    return { error: error.message };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
}

main();
