import { describe, expect, it } from 'vitest'
import { faultsOf } from '../../shape/index.ts'
import { fleetWire } from './fleet-wire.ts'

const vmId = 'ABCDEF01-2345-6789-ABCD-EF0123456789'
const digest = 'ab'.repeat(32)
const at = '2026-11-27T10:00:00.000Z'
const placed = { vmId, epoch: 1 }
const keyId = `https://box.vault.strongroom.internal/keys/disk/${'0'.repeat(32)}`
const disk = {
  lun: 0,
  disk: vmId,
  sizeGiB: 1,
  shown: { id: '/d', name: 'd', caching: 'None', storageAccountType: 'Premium_LRS' },
}
const error = {
  code: 'NotFound',
  message: 'm',
  target: 't',
  details: [],
  innererror: { code: 'X', expected: 'e', found: 'f', remedy: 'r' },
}
const steps = [{ name: 'boot', startedAt: at, endedAt: at }]
const provisioning = { state: 'Succeeded', steps, error }
const launched = { vCPUs: 2, memoryMiB: 2048, acceleration: 'tcg', cpuModel: 'EPYC-Milan', launchMeasurement: 'aa' }
const spec = {
  vmId,
  resourceId: '/subscriptions/s/vm',
  name: 'vm',
  region: 'westeurope',
  size: { name: 'Standard_DC2as_v5', vCPUs: 2, memoryMiB: 8192 },
  image: 'image',
  osDisk: { id: 'd', sizeGiB: 4 },
  osProfile: { computerName: 'vm', adminUsername: 'me', sshPublicKeys: ['ssh-ed25519 AAAA'] },
  network: { macAddress: '02-53-52-19-EF-25', privateIpAddress: '10.0.0.4' },
  tags: {},
  tee: 'SNP',
  security: { encryption: 'DiskWithVMGuestState', secureBoot: true, vTpm: true },
  guestStateKey: keyId,
  attestationProvider: 'https://sharedweu.weu.attest.strongroom.internal',
}
const status = {
  vmId,
  spec,
  provisioning,
  power: { state: 'Ready', since: at, steps, error },
  launched,
  notices: ['n'],
  dataDisks: [disk],
  bootNumber: '0'.repeat(32),
  guestStateWrappedBy: keyId,
  ssh: { host: '127.0.0.1', port: 22 },
  processes: { qemu: 1, swtpm: 2 },
}
const record = {
  desired: 'running',
  provisioning,
  launched,
  converted: true,
  notices: ['n'],
  dataDisks: [disk],
  sshPort: 2222,
  identity: { akSpki: 'AAAA', ekSpki: 'AAAA' },
  sealedTo: { '7': digest },
  volume: digest,
  wrappedBy: keyId,
}

/** A message of each kind that a host sends, with every member that it may have. */
const messages: Record<string, object> = {
  '/join': { name: 'a', secret: 'secret', publicKey: 'AAAA', proof: 'AAAA' },
  '/certificate': {},
  '/beat': { revision: 1 },
  '/report': { vms: [{ ...placed, run: 1, state: 'Ready' }] },
  '/instance': { ...placed, run: 1, status, record },
  '/call': { ...placed, method: 'GET', url: 'https://a/certs' },
  '/certify': { ...placed, usage: 'attestationKey', publicKey: 'AAAA' },
  '/document': { ...placed, nonce: '1234567890' },
  '/silicon': {
    ...placed,
    ask: 'launch',
    tee: 'SNP',
    vCPUs: 2,
    firmware: digest,
    launch: 'a-1',
    claims: 'AAAA',
    report: 'AAAA',
  },
  '/measurements': { ...placed, image: 'image', boot: { registers: { '7': digest }, secureBoot: true } },
  '/state': { ...placed, bytes: 'AAAA' },
  '/event': { ...placed, event: 'A-1' },
  '/disk': { ...placed, disk: vmId, opened: true },
  '/answer': { id: vmId.toLowerCase(), status: 200, type: 'application/json', body: '{}' },
}

const wrongTypes: unknown[] = [null, [], {}, [1], { a: 1 }]
const wrongNumbers: unknown[] = [-1, 1.5, 1e300, 2 ** 53, '1']
/** For QEMU's arguments, paths, URLs, lines and terminals. */
const wrongTexts: unknown[] = [
  7,
  true,
  '2222,hostfwd=tcp::1-:22',
  'a,b=c',
  '../../etc/passwd',
  'a\nb',
  'a\u0000b',
  '\u001b[2K',
  '\u202e',
  'W'.repeat(6_000_001),
]
const longOnly: unknown[] = [7, true, 'W'.repeat(6_000_001)]
/** For people, or printable: shown, compared or parsed, never part of an argument. */
const remarks = /\.(message|target|expected|found|remedy)$|(steps|notices)\[0\](\.name)?$|^body$/
const lines = /(cpuModel|\.host|image|shown\.\w+)$/
/** The VM's definition stays with the resource manager: a host's copy of it is discarded (carried-vms.test.ts). */
const discarded = /^status\.spec\b/

/** Each member that has no members, with how to put another value there. */
function leavesOf(value: unknown, path: string, put: (other: unknown) => unknown): [string, unknown, typeof put][] {
  if (typeof value !== 'object' || value === null) return [[path, value, put]]
  return Object.entries(value).flatMap(([name, member]) => {
    const inner = Array.isArray(value) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`
    return leavesOf(member, inner, (other) =>
      put(Array.isArray(value) ? value.with(Number(name), other) : { ...value, [name]: other }),
    )
  })
}

function wrongValues(path: string, value: unknown): unknown[] {
  if (typeof value === 'number') return [...wrongTypes, ...wrongNumbers, ...wrongTexts.slice(1)]
  if (typeof value === 'boolean') return [...wrongTypes, ...wrongNumbers, 'true']
  if (remarks.test(path)) return [...wrongTypes, ...longOnly]
  const isPrintable = (text: unknown): boolean => typeof text === 'string' && /^[\x20-\x7e]{1,500}$/.test(text)
  return [...wrongTypes, ...(lines.test(path) ? wrongTexts.filter((text) => !isPrintable(text)) : wrongTexts)]
}

describe('what a joined host says', () => {
  const operations = fleetWire.operations.filter(({ body }) => body !== undefined)

  it('has an example here for each message', () => {
    expect(operations.map(({ path }) => path).toSorted()).toEqual(Object.keys(messages).toSorted())
    for (const { path, body } of operations) expect(faultsOf(body!, messages[path]), path).toEqual([])
  })

  it.each(operations.map(({ path, body }) => [path, body!] as const))(
    'is refused with a wrong value in any member: %s (attack W47)',
    (message, shape) => {
      for (const [path, value, put] of leavesOf(messages[message], '', (other) => other)) {
        if (discarded.test(path)) continue
        for (const wrong of wrongValues(path, value)) {
          const shown = `${path}: ${JSON.stringify(wrong).slice(0, 60)}`
          expect(faultsOf(shape, put(wrong)), shown).not.toEqual([])
        }
      }
      expect(faultsOf(shape, { ...messages[message], surplus: 1 })).not.toEqual([])
    },
  )

  it('names no register that there is not', () => {
    const { body } = operations.find(({ path }) => path === '/instance')!
    for (const name of ['24', '-1', '07', '../7', 'a=b'])
      expect(
        faultsOf(body!, { ...messages['/instance'], record: { sealedTo: { [name]: digest } } }),
        name,
      ).toHaveLength(1)
  })
})
