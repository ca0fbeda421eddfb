import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createWebSocketStream, WebSocket } from 'ws';
import { RFB_ENCODING } from '../../abi/rfb.ts';
import { RfbClient } from '../../testing/host/rfb-client.ts';
import { Stage } from '../../testing/host/stage.ts';

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
}

async function ask(url: URL | string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  // The path as it is: URL would resolve its dots.
  const { hostname, port } = new URL(url);
  const path = String(url).replace(/^http:\/\/[^/]*/, '');
  const sent = request({ hostname, port, path, method, headers }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode!, body: await text(response), headers: response.headers };
}

/** 'open', or the status of the refusal. */
async function knock(url: string, headers: Record<string, string> = {}): Promise<'open' | number> {
  const socket = new WebSocket(url.replace('http', 'ws'), { headers });
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.once('open', () => {
      socket.terminate();
      resolve('open');
    });
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode!));
  });
}

test('the page, its script as JavaScript, and noVNC come by the link, and nothing else does', async (t) => {
  const { screen } = await Stage.of(t);
  const { link } = screen.address;
  const page = await ask(link);
  assert.equal(page.status, 200);
  assert.match(page.body, /<script type="module" src="page.js">/);
  assert.match(String(page.headers['content-security-policy']), /frame-ancestors 'none'/);
  const script = await ask(`${link}page.js`);
  assert.match(String(script.headers['content-type']), /javascript/);
  assert.doesNotMatch(script.body, /interface Rfb/);
  assert.equal((await ask(`${link}novnc/core/rfb.js`)).status, 200);
  for (const path of ['novnc/../../package.json', 'novnc/core/../../../ws/index.js', '../screen.ts', 'page.ts', 'x.js'])
    assert.equal((await ask(`${link}${path}`)).status, 404, path);
  assert.equal((await ask(link, {}, 'PUT')).status, 405);
});

test('without the token, or with that of another machine, there is nothing: no page, no screen, no hands', async (t) => {
  const [here, other] = [await Stage.of(t), await Stage.of(t)];
  const { origin, pathname } = new URL(here.screen.address.link);
  const theirs = new URL(other.screen.address.link).pathname;
  assert.equal(await knock(`${origin}${pathname}screen`), 'open');
  for (const path of ['/', theirs, '/x/', pathname.slice(0, -2), `//${pathname}`]) {
    assert.equal((await ask(`${origin}${path}`)).status, 403, path);
    for (const socket of ['screen', 'hands']) assert.equal(await knock(`${origin}${path}${socket}`), 403, path);
  }
});

test('a page of another origin gets nothing, even one whose name leads to this host', async (t) => {
  const { screen, lines } = await Stage.of(t);
  const { link } = screen.address;
  const { host } = new URL(link);
  const foreign: Record<string, string>[] = [
    { origin: 'http://example.org' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' },
    { origin: `https://${host}` },
    { host: 'example.org' },
    { host: 'example.org', origin: 'http://example.org' },
    { host: `127.0.0.1.example.org:${new URL(link).port}` },
    { 'sec-fetch-site': 'cross-site' },
  ];
  for (const headers of foreign) {
    const why = JSON.stringify(headers);
    assert.equal((await ask(link, headers)).status, 403, why);
    assert.equal(await knock(`${link}screen`, headers), 403, why);
    assert.equal(await knock(`${link}hands`, headers), 403, why);
  }
  const own: Record<string, string>[] = [
    {},
    { origin: `http://${host}` },
    { host: 'localhost:8080', origin: 'http://localhost:8080' },
  ];
  for (const headers of own) {
    assert.equal((await ask(link, headers)).status, 200);
    assert.equal(await knock(`${link}screen`, headers), 'open');
  }
  assert.ok(lines.some((line) => line.includes('refused a WebSocket: it came from http://example.org')));
});

test('a ticket, which a command line may show, leads to the link once', async (t) => {
  const { screen } = await Stage.of(t);
  const { link } = screen.address;
  const { origin, pathname } = new URL(link);
  const { status, body } = await ask(`${link}ticket`, {}, 'POST');
  assert.equal(status, 200);
  assert.equal((await ask(`${origin}/ticket/${body}`, { host: 'example.org' })).status, 403);
  const first = await ask(`${origin}/ticket/${body}`);
  assert.deepEqual([first.status, first.headers.location], [303, pathname]);
  assert.equal((await ask(`${origin}/ticket/${body}`)).status, 403);
  assert.equal((await ask(`${origin}/ticket`, {}, 'POST')).status, 403);
});

test('the page’s sockets: the screen is RFB without another password; fingers and rates go by the other', async (t) => {
  const stage = await Stage.of(t);
  const { link } = stage.screen.address;
  await stage.show((x, y) => (x * y) & 0xffffff);
  const socket = new WebSocket(`${link.replace('http', 'ws')}screen`);
  const client = new RfbClient(createWebSocketStream(socket));
  await client.greet({ encodings: [RFB_ENCODING.TIGHT] });
  await client.update(false);
  const { shown: monitor } = stage;
  assert.ok(client.pixels.every((pixel, i) => pixel === monitor[i]));

  const hands = new WebSocket(`${link.replace('http', 'ws')}hands`);
  await once(hands, 'open');
  const rates = once(hands, 'message');
  for (const message of [
    ['touch', 7, 0.5, 0.25],
    ['pad', 0x130, 1],
    ['axis', 0, -1],
    ['move', 3, -2],
  ])
    hands.send(JSON.stringify(message));
  await stage.arrived(4);
  assert.deepEqual(stage.calls.splice(0), [
    ['touch', 7, 0.5, 0.25],
    ['padButton', 0x130, true],
    ['axis', 0, -1],
    ['moveBy', 3, -2],
  ]);
  // Time stands still on the test's board, so frames are counted over what the test lets pass.
  await sleep(1100);
  stage.guest.clock.advance(1e9);
  const [told] = await rates;
  const { fps, shown } = JSON.parse(String(told));
  assert.ok(fps >= 0 && shown >= 0);
  // What is no message ends it, and nothing stays down.
  hands.send('{"touch":[1,2,3]}');
  await once(hands, 'close');
  await stage.arrived(3);
  assert.deepEqual(stage.calls.splice(0), [
    ['release', 7],
    ['padButton', 0x130, false],
    ['axis', 0, 0],
  ]);
  for (const message of [
    '["toString",1]',
    '["touch",1,"a",2]',
    '["touch",1,2]',
    '[1]',
    '7',
    'null',
    '["move",1e999,0]',
  ]) {
    const bad = new WebSocket(`${link.replace('http', 'ws')}hands`);
    await once(bad, 'open');
    bad.send(message);
    await once(bad, 'close');
  }
  assert.deepEqual(stage.calls, []);
  socket.terminate();
});
