import { execFile } from 'node:child_process'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Link } from '@strongroom/trust'
import { recallAsked, type AskedVm } from '../../apps/cli/src/trust/asked-settings.ts'
import { rememberName } from '../../apps/cli/src/trust/known-names.ts'
import { TestInstallation } from '../system/support/installation.ts'
import type { VmView } from '../system/support/vm.ts'

const launcher = resolve(import.meta.dirname, '../../strongroom')

let installation: TestInstallation
beforeAll(async () => {
  installation = await TestInstallation.create()
  await installation.start({}, ['--compute', 'simulated'])
})
afterAll(async () => {
  await installation.remove()
})

const config = (): string => join(installation.home, 'config/strongroom')
const recordPath = ({ properties }: VmView): string => join(config(), 'asked', `${properties.vmId.toLowerCase()}.json`)
const recordOf = async (vm: VmView): Promise<AskedVm | undefined> => await recallAsked(config(), vm.properties.vmId)
const show = async (name: string): Promise<VmView> => await installation.must<VmView>('vm', 'show', name)
/** A command by somebody whose records are not in this user's folder: another owner, or the host. */
const asSomebodyElse = async (...args: string[]): Promise<void> => {
  const env = installation.environment({ XDG_CONFIG_HOME: join(installation.home, 'another') })
  await promisify(execFile)(launcher, args, { env })
}

interface Report {
  warnings: { code: string; message: string }[]
  pins?: object
  links: Link[]
}
/** Without a guest nothing is trusted, but what the evidence shows is pinned. */
const trust = async (name: string): Promise<{ report: Report; stderr: string }> => {
  const { json, stderr } = await installation.cli('vm', 'trust', name)
  return { report: json as Report, stderr }
}

describe('vm trust of a VM that is seen for the first time', () => {
  it('says what it pins of a VM created here, a line each, and warns of nothing', async () => {
    const vm = await installation.must<VmView>('vm', 'create', 'mine')
    const first = await trust('mine')
    expect(first.report.warnings).toEqual([])
    expect(first.stderr).toMatch(/Pinned from now on.*mine.*\n {2}boot file [0-9a-f]{64}\n/)
    expect((await stat(recordPath(vm))).mode & 0o777).toBe(0o600)
    expect((await trust('mine')).stderr).not.toContain('Pinned')
  })

  it('is refused without the disk-encryption set that was requested, whatever the record of the VM has (attack H32)', async () => {
    const path = recordPath(await show('mine'))
    const stored = await readFile(path, 'utf8')
    const asked = JSON.parse(stored) as AskedVm
    const diskEncryptionSet = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/diskEncryptionSets/own'
    await writeFile(path, JSON.stringify({ ...asked, vm: { ...asked.vm, diskEncryptionSet } }))
    const { report } = await trust('mine')
    await writeFile(path, stored)
    expect(report.links.find(({ id }) => id === 'customer-key')).toMatchObject({
      outcome: 'refused',
      why: 'The guest state was not decrypted with a key of the VM’s disk-encryption set.',
      expected: diskEncryptionSet,
      actual: 'none',
    })
  })

  it('is loud where the pins were removed, and where the whole record was', async () => {
    const vm = await show('mine')
    const { pins, ...rest } = JSON.parse(await readFile(recordPath(vm), 'utf8')) as AskedVm
    await writeFile(recordPath(vm), JSON.stringify(rest))
    const { report, stderr } = await trust('mine')
    expect(report.warnings.map(({ code }) => code)).toEqual(['PinsMissing'])
    expect(stderr).toMatch(/WARNING PinsMissing: .*\nPinned from now on/)
    expect((await recordOf(vm))?.pins).toEqual(pins)
    expect((await trust('mine')).report.warnings).toEqual([])
    await rm(recordPath(vm))
    expect((await trust('mine')).report.warnings.map(({ code }) => code)).toEqual(['PinsMissing'])
    expect((await recordOf(vm))?.pins).toEqual(pins)
  })

  it('is loud where another VM is under the name, once, and pins what it saw (attack H22)', async () => {
    const before = await show('mine')
    await asSomebodyElse('vm', 'delete', 'mine', '--yes')
    await asSomebodyElse('vm', 'create', 'mine')
    const after = await show('mine')
    const { report, stderr } = await trust('mine')
    const [warning, ...others] = report.warnings
    expect([warning?.code, others]).toEqual(['AnotherVm', []])
    expect(warning?.message).toContain(`vmId ${after.properties.vmId}, not ${before.properties.vmId}`)
    expect(stderr).toMatch(
      /WARNING AnotherVm: .*\nPinned from now on.*\n {2}boot file .*(\n {2}.*)*\n {2}account and keys/,
    )
    expect(await recordOf(after)).toMatchObject({ firstSeen: { settled: expect.any(String) }, pins: report.pins })
    expect((await trust('mine')).report.warnings).toEqual([])
  })

  it('is loud where another VM of the same owner is under the name (attack H22)', async () => {
    const vm = await installation.must<VmView>('vm', 'create', 'other')
    await trust('other')
    // As if this VM, whose boots are pinned, were given to whoever asks for the one that was trusted.
    const vmId = 'A1A1A1A1-0000-4000-8000-000000000000'
    await rememberName(config(), vm.id, { vmId, trustedAt: '2026-12-01T00:00:00.000Z' })
    const ssh = await installation.cli('vm', 'ssh', 'other', '--', 'true')
    expect(ssh.stderr).toContain('WARNING AnotherVm: ')
    expect([ssh.code, ssh.stderr]).toEqual([1, expect.stringContaining('VmNotReady')])
    const { report } = await trust('other')
    expect(report.warnings.map(({ code }) => code)).toEqual(['AnotherVm'])
    expect(report.warnings[0]?.message).toMatch(
      new RegExp(`trusted on 2026-12-01T.*not ${vmId}.*what you pinned of it`),
    )
  })

  it('is not connected to as an ordinary VM once a boot of it was trusted, whatever the server makes of it (attack H26)', async () => {
    const ssh = async (name: string): Promise<[number, string]> => {
      const { code, stderr } = await installation.cli('vm', 'ssh', name, '--not-confidential', '--', 'true')
      return [code, stderr]
    }
    expect(await ssh('other')).toEqual([6, expect.stringContaining('that you trusted before')])
    await asSomebodyElse('vm', 'create', 'ordinary')
    // There is no guest; whoever never trusted it is led to where one would be.
    expect(await ssh('ordinary')).toEqual([1, expect.stringContaining('VmNotReady')])
  })

  it('is loud where neither VM nor name are known here', async () => {
    await asSomebodyElse('vm', 'create', 'theirs')
    const { report, stderr } = await trust('theirs')
    expect(report.warnings.map(({ code }) => code)).toEqual(['TrustedOnFirstUse'])
    expect(stderr).toContain('WARNING TrustedOnFirstUse: ')
    const again = (await trust('theirs')).report
    expect(again.warnings).toEqual([])
    const shown = (id: string): unknown => {
      const { outcome, shows } = again.links.find((link) => link.id === id)!
      return [outcome, shows.filter((text) => text.includes('the first boot of this VM that you trusted here')).length]
    }
    expect([shown('image'), shown('settings')]).toEqual([
      ['verified', 1],
      ['verified', 1],
    ])
  })
})

describe('roots that the host exchanged', () => {
  it.each([
    [
      'the silicon’s',
      'anchors.json',
      (text: string) => text.replace(/"spkiSha256": "[0-9a-f]{4}/, '"spkiSha256": "0000'),
    ],
    ['the authority', 'ca.pem', (text: string) => `${text}\n`],
  ])('are refused, %s, before anything is verified or created (attack H30)', async (_, name, change) => {
    const path = join(installation.stateDir, name)
    const text = await readFile(path, 'utf8')
    await writeFile(path, change(text))
    try {
      const refused = { error: { code: 'TrustAnchorsChanged', innererror: { found: expect.stringContaining(name) } } }
      expect((await installation.cli('vm', 'trust', 'mine')).json).toMatchObject(refused)
      if (name === 'anchors.json') expect((await installation.cli('vm', 'create', 'other')).json).toMatchObject(refused)
    } finally {
      await writeFile(path, text)
    }
    await trust('mine')
  })
})
