import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { freshQuote } from '@strongroom/contract/wires'
import { afterAll, describe, expect, it } from 'vitest'
import { commandLines } from '../../../services/host/src/network/command-routes.ts'
import { challengeLines } from '../../../services/host/src/network/challenges/challenge-routes.ts'
import { instanceMetadata } from '../../../services/host/src/network/instance-metadata.ts'
import { provisioningLines } from '../../../services/host/src/network/provisioning.ts'
import { spec } from '../../../services/host/src/network/test-endpoints.ts'
import { machineArguments, type MachineOptions } from '../../../services/host/src/qemu/arguments.ts'
import { FirmwareConfiguration } from '../../../services/host/src/qemu/firmware-configuration.ts'
import { HandedFiles } from '../../../services/host/src/qemu/handed-files.ts'
import { sandbox } from '../../../services/host/src/qemu/launch.ts'
import { tablesOfQemu, withReferenceMachine } from '../../../services/host/src/qemu/reference-machine.ts'
import { argumentNames } from './found/arguments.ts'
import { keptIn, variablesIn } from './found/environment.ts'
import { membersOf, membersOfSchema } from './found/interfaces.ts'
import { openedPaths, verifierPaths } from './found/opened.ts'
import { commandsOfQemu, devicesIn, structuresIn, tablesIn } from './found/qemu.ts'
import { pathsIn, recipeTexts, settingsIn } from './found/recipes.ts'
import { leavesOf, linesOf, routesIn } from './found/wires.ts'
import { bootedSections, faultsOfRow, inputsPage, inputsPagePath, sections, unitSections } from './page.ts'
import { faultsOf, ignored, measured, unprotected } from './row.ts'
import { outsideEvents } from './rows/events.ts'

const root = resolve(import.meta.dirname, '../../..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const recipes = recipeTexts(join(root, 'services/host/src/image/recipes'))
const runtimeDir = mkdtempSync('/dev/shm/strongroom-inputs-')
afterAll(() => rmSync(runtimeDir, { recursive: true, force: true }))

/** Sources under version control, without tests. */
const sourcesIn = (...patterns: string[]): string[] =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...patterns], {
    cwd: root,
    encoding: 'utf8',
  })
    .trim()
    .split('\n')
    .filter((file) => !/\.test\.tsx?$|\/test(ing)?[-/.]|\/(drill|embed)\//.test(file))
    .map(read)

const membersFrom = (file: string, ...names: string[]): string[] =>
  names.flatMap((name) => membersOf(read(file), name).map((member) => `${name}.${member}`))

async function everyArgument(): Promise<string[]> {
  const door = '/run/door'
  const machine: MachineOptions = {
    name: 'a',
    vmId: spec.vmId,
    acceleration: 'kvm',
    kvm: '/dev/kvm',
    cpuModel: 'EPYC-Milan',
    vCPUs: 2,
    memoryMiB: 8192,
    firmware: '/firmware',
    variables: '/variables',
    disk: '/disk',
    dataDisks: [{ lun: 0, path: '/data', serial: 's' }],
    temporaryDisk: '/temporary',
    tpmSocket: '/tpm',
    serialLog: '/log',
    network: {
      macAddress: '02-00-00-00-00-00',
      sshPort: 1,
      doors: { metadata: door, time: door, proxy: door, services: door, web: door, names: door },
      interfaces: spec.interfaces ?? [],
    },
  }
  const files = new HandedFiles()
  await files.hand('/dev/null', 'r')
  await files.close()
  const nbd = { lun: 1, path: '/data', serial: 's', nbd: true } as const
  const joined: MachineOptions = { ...machine, acceleration: 'tcg', disk: { nbd: '/disk' }, dataDisks: [nbd] }
  return argumentNames([...files.arguments, ...machineArguments(machine), ...machineArguments(joined), ...sandbox])
}

const shape = { runtimeDir, acceleration: 'tcg', cpuModel: 'EPYC-Milan', vCPUs: 2, memoryMiB: 8192 } as const
const fromFirmware = async <T>(ask: (files: FirmwareConfiguration) => Promise<T> | T): Promise<T> =>
  await withReferenceMachine(shape, async (qtest) => await ask(await FirmwareConfiguration.open(qtest)))

function everyLine(): string[] {
  const profile = { ...spec.osProfile, customData: 'eA==', passwordHash: '$y$' }
  const nonce = new Uint8Array(1)
  const lines = { spec: { ...spec, osProfile: profile }, caPem: 'c', nonce, reported: false, furtherDevices: 1 }
  const command = { id: 'i', script: 's', timeoutSeconds: 1, parameters: [{ name: 'a', value: 'b' }] }
  return [
    ...linesOf('provisioning', provisioningLines(lines)),
    ...linesOf('commands', commandLines(command)),
    ...linesOf('challenges', challengeLines({ id: 'i', nonce: 'bm9uY2U' })),
  ]
}

const dataDisk = {
  lun: 0,
  sizeGiB: 4,
  shown: { name: 'd', id: 'i', caching: 'None', storageAccountType: 'Premium_LRS' },
}

const found: Record<string, () => Promise<Iterable<string>> | Iterable<string>> = {
  'qemu-arguments': everyArgument,
  fw_cfg: async () => await fromFirmware(({ names }) => names),
  acpi: async () => tablesIn((await tablesOfQemu(shape)).get('etc/acpi/tables')!),
  smbios: async () => structuresIn(await fromFirmware(async (files) => await files.read('etc/smbios/smbios-tables'))),
  'agent-lines': everyLine,
  'endpoint-routes': () => routesIn(sourcesIn('services/host/src/network/**.ts')),
  'instance-metadata': () =>
    leavesOf(
      instanceMetadata({ spec, subscriptionId: 's', version: '2025-04-07', dataDisks: () => [dataDisk] as never }),
    ),
  'guest-files': () => pathsIn(recipes),
  'guest-network': () => settingsIn(join(root, 'services/host/src/image/recipes')),
  evidence: () => [
    ...membersFrom('packages/contract/src/boot-evidence.ts', 'BootFacts', 'BootEvidence', 'StatelessBootEvidence'),
    ...membersFrom('packages/contract/src/boot-evidence.ts', 'SnpEvidence', 'TdxEvidence', 'TdxCollateralBody'),
    ...membersFrom('packages/contract/src/boot-evidence.ts', 'VariableUpdateFacts'),
  ],
  'manager-answers': () => [
    ...membersFrom('packages/contract/src/arm.ts', 'AskedSettings', 'VmConnection'),
    ...membersFrom('packages/trust/src/vm-record.ts', 'VmRecord'),
    ...membersOfSchema(freshQuote.schema).map((member) => `FreshQuote.${member.replace(/^pcrs\..*/, 'pcrs')}`),
  ],
  'verifier-records': () => [
    ...membersFrom('packages/evidence/src/x509/trust-anchors.ts', 'TrustAnchors'),
    ...membersFrom('apps/cli/src/core/connection.ts', 'ServerRecord'),
    ...membersFrom('packages/contract/src/attestation-verifiers.ts', 'VerifierSettings'),
  ],
  'verifier-environment': () => [
    ...variablesIn(sourcesIn('apps/cli/src/**.ts', 'packages/*/src/**.ts')),
    ...keptIn(sourcesIn('apps/portal/src/**')),
  ],
  events: async () => [...(await commandsOfQemu()), ...outsideEvents],
}

describe('the inventory of what the host chooses', () => {
  it.each(unitSections)('has a row for each input, and no other: $id', async (section) => {
    expect(faultsOf(section, await found[section.id]!())).toEqual([])
  })

  it.each(sections)('names tests, attacks, links and limitations that exist: $id', ({ rows }) => {
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.flatMap(faultsOfRow)).toEqual([])
  })

  it('is compared whole, here or with a booted guest', () => {
    expect(Object.keys(found).toSorted()).toEqual(unitSections.map(({ id }) => id).toSorted())
    const booted = read('test/system/inputs.slow.test.ts')
    expect(bootedSections.map(({ id }) => id).filter((id) => !booted.includes(id))).toEqual([])
  })

  it('is the page that readers find', () => {
    expect(readFileSync(inputsPagePath, 'utf8'), 'run npm run docs:inputs').toBe(inputsPage())
  })
})

describe('a program of the images', () => {
  it('asks for no other path of the endpoint', () => {
    const asked = recipes.flatMap((text) => text.match(/\/metadata\/[\w/-]+/g) ?? [])
    expect([...new Set(asked)].toSorted()).toEqual(['/metadata/strongroom', '/metadata/strongroom/commands'])
  })
})

describe('what is found', () => {
  const rows = [ignored('x', 'B7', ['a'])]

  it('has no row: an input of each kind', () => {
    expect(argumentNames(['-device', 'pvpanic'])).toEqual(['-device pvpanic'])
    expect(argumentNames(['-machine', 'pc-q35-10.0,smm=off'])).toEqual(['-machine pc-q35-10.0,smm=off'])
    expect(argumentNames(['-netdev', 'vde,id=net,sock=slirp:///v6/addr=a\\/b'])).toContain('slirp v6')
    expect(membersOf('export interface A {\n  a?: { b: string; c: () => void }\n  d: string[]\n}\n', 'A')).toEqual([
      'a.b',
      'a.c',
      'd',
    ])
    expect(pathsIn(['open "/etc/new-file" or cat /sys/$x/y'])).toEqual(['/etc/new-file', '/sys/*/y'])
    expect(variablesIn(["env['NEW_ONE'] ?? process.env.TWO; const { THREE = 'A' } = process.env"])).toEqual([
      'TWO',
      'NEW_ONE',
      'THREE',
    ])
    expect(keptIn(["keep('strongroom.new-pin')"])).toEqual(['strongroom.new-pin'])
    expect(devicesIn('  dev: planted, id ""', '/a[0] (irq)\n/b (tpm-crb)')).toEqual(['planted', 'tpm-crb'])
    expect(openedPaths(['x file="/dev/new1"', 'x file="/etc/y"', 'x file="relative"'])).toEqual(['/dev/newN', '/etc'])
    const traced = ['1 openat(AT_FDCWD, "/s/new", O_RDONLY) = 3', '1 statx(AT_FDCWD, "/s/only-looked-at") = 0']
    expect(verifierPaths(traced.join('\n'), { '/s': 'STATE' })).toEqual(['STATE/new'])
    expect(routesIn(["scope.get<{ A: B }>('/new', x)"])).toEqual(['GET /new'])
    expect(faultsOf({ id: 's', rows }, ['a', 'new'])).toEqual(['s: new has no row'])
  })

  it('is gone, or stands in two rows', () => {
    expect(faultsOf({ id: 's', rows }, [])).toEqual(['s: a has a row, and is no input'])
    expect(faultsOf({ id: 's', rows: [...rows, ...rows] }, ['a'])).toEqual(['s: a has two rows'])
  })

  it.each([
    [ignored('x', 'Z9', ['a']), 'a: there is no Z9'],
    [ignored('x', 'B7/nothing', ['a']), 'a: there is no B7/nothing'],
    [
      ignored('x', 'test/system/boot.test.ts: is not there', ['a']),
      'a: there is no test/system/boot.test.ts: is not there',
    ],
    [ignored('x', 'test/none.test.ts: is', ['a']), 'a: there is no test/none.test.ts: is'],
    [ignored('x', [], ['a']), 'a: nothing shows it'],
    [measured('PCR 1', 'no-link', 'B3', ['a']), 'a: no link no-link'],
    [unprotected('Nothing of the kind', ['a']), 'a: LIMITATIONS.md has 0 rows “Nothing of the kind”'],
  ] as const)('is told where a row names what does not exist: %#', (row, fault) => {
    expect(faultsOfRow(row)).toEqual([fault])
  })
})
