import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { fleetHost, type BeatAnswer, type VmOrder } from '@strongroom/contract'
import { fleetWire } from '@strongroom/contract/wires'
import { SimulatedCarrier } from '@strongroom/host/agent'
import { exchange } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeVm } from './testing/simulated-vm.ts'
import { layStandInImage } from './testing/stand-in-image.ts'
import { TestFleet } from './testing/test-fleet.ts'
import type { TestHost } from './testing/test-hosts.ts'

let fleet: TestFleet
let host: TestHost
let order: VmOrder
let image: string

beforeAll(async () => {
  fleet = await TestFleet.start({ compute: 'guests' })
  image = await layStandInImage(fleet.installation.running.context)
  // It ignores its orders: the test speaks for it.
  const carrier = Object.assign(new SimulatedCarrier(), { carry: () => {}, reports: () => [] })
  host = await fleet.join('a', { carrier })
  void makeVm(fleet.installation, { name: 'vm', size: 'Standard_DC2as_v5' }).catch(() => {})
  await vi.waitFor(async () => {
    const { carry = [] } = (await host.send('/beat', {})).body as BeatAnswer
    expect(carry).toHaveLength(1)
    order = carry[0]!
  }, 100_000)
}, 120_000)
afterAll(async () => await fleet.close())

/** Bytes that are valid base64, and nothing that a route expects. */
const bytes: string[] = [
  '',
  Buffer.from('junk'),
  Buffer.from('null'),
  Buffer.from('[]'),
  Buffer.from('{"keys":7,"vm-configuration":[]}'),
  Buffer.alloc(91),
  Buffer.alloc(584, 0xff),
  Buffer.alloc(1024),
  Buffer.alloc(100_000, 0x30),
].map((each) => each.toString('base64'))
const silicon = ['launch', 'report', 'endorsements', 'quote', 'collateral', 'earlyTcbInfo']

/** Of each route, messages whose form on the wire is right, without their VM. */
const wellFormed = (): Record<string, object[]> => ({
  '/join': bytes.map((publicKey) => ({ name: 'b', secret: 'secret', publicKey, proof: publicKey })),
  '/certificate': [{}],
  '/beat': [{}],
  '/report': [{ vms: [{ vmId: order.vmId, epoch: 1, run: 9_000, state: 'Ready' }] }],
  '/instance': [{ run: order.run, status: {}, record: {} }],
  '/call': [
    { method: 'GET', url: '' },
    { method: 'GET', url: 'https://' },
    { method: 'GET', url: '%' },
    { method: 'POST', url: 'https://[::1', body: { resourceId: 7 } },
  ],
  '/certify': ['attestationKey', 'endorsementKey', 'documents'].flatMap((usage) =>
    bytes.map((publicKey) => ({ usage, publicKey })),
  ),
  '/silicon': silicon.flatMap((ask) =>
    bytes.map((each, n) => ({
      ask,
      claims: each,
      report: each,
      ...(n > 0 && { tee: n % 2 === 0 ? 'SNP' : 'TDX', vCPUs: n, launch: 'x', firmware: 'ab'.repeat(32) }),
    })),
  ),
  '/document': [{}, { nonce: '' }, { nonce: 'x' }, { nonce: '1234567890' }],
  '/measurements': [
    { image: 'none' },
    { image: '../..' },
    { image, boot: { registers: {}, secureBoot: true } },
    { image, boot: { registers: { '7': 'ab'.repeat(32) }, secureBoot: false } },
  ],
  '/state': bytes.map((each) => ({ bytes: each })),
  '/event': [{ event: 'x' }],
  '/disk': [{}, { disk: '00000000-0000-4000-8000-000000000000', opened: true }, { opened: true }],
  '/answer': [{ id: order.vmId, status: 200, type: 'application/json', body: '' }],
})
/** Besides, they name no VM. */
const withoutVm = ['/join', '/certificate', '/beat', '/report', '/answer']
const messages = (path: string): object[] =>
  (wellFormed()[path] ?? []).map((each) =>
    withoutVm.includes(path) ? each : { vmId: order.vmId, epoch: order.epoch, ...each },
  )

async function raw(path: string, body: string | Buffer, type: string | undefined): Promise<number> {
  const text = await readFile(join(fleet.folder, 'a', 'host.json'), 'utf8')
  const { address = '', certificate: cert, privateKey: key } = JSON.parse(text) as Record<string, string>
  const [at = '', port] = address.split(':')
  const agent = new Agent({ ca: fleet.installation.caPem, cert, key })
  try {
    const answer = await exchange({
      method: 'POST',
      url: new URL(path, `https://${fleetHost}`),
      headers: type === undefined ? {} : { 'content-type': type },
      body: Buffer.from(body),
      agent,
      via: { host: at, port: Number(port), servername: fleetHost },
      patience: { inAll: 30_000 },
      answerLimit: 1024 * 1024,
    })
    return answer.status
  } finally {
    agent.destroy()
  }
}

const posts = fleetWire.operations.filter(({ method }) => method === 'POST').map(({ path }) => path)

describe('junk of a joined host', () => {
  it('is tried at each route of the wire', () => {
    expect(Object.keys(wellFormed()).toSorted()).toEqual(posts.toSorted())
  })

  it.each(posts)('of the right form is refused or answered, and fails nothing: %s (attack W47)', async (path) => {
    for (const message of messages(path)) {
      const { status, body } = await host.send(path, message)
      expect(status, `${JSON.stringify(message).slice(0, 200)}: ${JSON.stringify(body)}`).toBeLessThan(500)
    }
  })

  it('in place of a TD report, a key or registers is refused with the member (attack W47)', async () => {
    const at = { vmId: order.vmId, epoch: order.epoch }
    const refused = (target: string): object => ({
      status: 400,
      body: { error: { code: 'InvalidRequestContent', target } },
    })
    for (const each of bytes) {
      expect(await host.send('/silicon', { ...at, ask: 'quote', report: each })).toMatchObject(refused('report'))
      const key = { ...at, usage: 'attestationKey', publicKey: each }
      expect(await host.send('/certify', key)).toMatchObject(refused('publicKey'))
    }
    const boot = { registers: { '7': 'ab'.repeat(32) }, secureBoot: true }
    expect(await host.send('/measurements', { ...at, image, boot })).toMatchObject(refused('boot.registers'))
  })

  it.each(posts)('of another form is refused: %s (attack W47)', async (path) => {
    const [sound = {}] = messages(path)
    for (const wrong of [null, [], 7, 'x', [[]]])
      expect((await host.send(path, wrong as unknown as object)).status, JSON.stringify(wrong)).toBe(400)
    for (const name of Object.keys(sound))
      for (const wrong of [null, {}, [], -1, 1e300, true, '\u0000'])
        expect(
          (await host.send(path, { ...sound, [name]: wrong })).status,
          `${name}: ${JSON.stringify(wrong)}`,
        ).toBeLessThan(500)
    for (const [body, type] of [
      ['{', 'application/json'],
      ['', 'application/json'],
      [Buffer.of(0xff, 0xfe), 'application/json'],
      ['a=b', 'application/x-www-form-urlencoded'],
      ['{}', 'text/plain'],
      ['{}', 'application/json; charset=none'],
      ['{}', '/'],
      ['{}', undefined],
      [Buffer.alloc(9_000_000, 0x20), 'application/json'],
    ] as const) {
      const status = await raw(path, body, type)
      expect(status, `${body.length} bytes as ${String(type)}`).toBeLessThan(500)
    }
  })
})
