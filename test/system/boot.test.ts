import { createHash } from 'node:crypto'
import { copyFile, open, readFile, rename, statfs, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from '../../apps/cli/src/client/connection.ts'
import { verifyBoot } from '../../apps/cli/src/trust/report.ts'
import { sharedIssuer } from '@strongroom/trust'
import { parseHclReport, parseSnpReport } from '@strongroom/evidence'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'
import { processesOf } from './support/processes.ts'
import { tamperings } from './support/tamper.ts'
import {
  defaultAsked,
  diskFile,
  findKernelByte,
  guestStateFile,
  readEvidence,
  statusOf,
  type VmView,
} from './support/vm.ts'

/**
 * One confidential VM on simulated SEV-SNP, really booted, shared by the tests below in this order: first what a user
 * sees, then the attacks. Each attack changes one thing, is refused, and is undone; the last test boots the VM
 * unharmed.
 */
const installation = await TestInstallation.create()
let vm: VmView
/** Of the boot before the attacks on the stopped VM. */
let evidence: Awaited<ReturnType<typeof readEvidence>>

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  vm = await installation.must<VmView>('vm', 'create', 'first')
})

afterAll(async () => await installation.remove())

describe('a confidential VM on SEV-SNP', () => {
  it('is running and provisioned when create returns', () => {
    expect(statusOf(vm, 'PowerState/').code).toBe('PowerState/running')
    expect(vm.properties.provisioningState).toBe('Succeeded')
  })

  it.skipIf(process.geteuid?.() !== 0)(
    'has programs without privileges, of a user of its own (attack H11)',
    async () => {
      const running = await processesOf(vm.properties.vmId)
      expect(running.map(({ command }) => command.slice(0, 4)).toSorted()).toEqual(['qemu', 'swtp'])
      const users = new Set<string>()
      for (const { pid } of running) {
        const status = await readFile(`/proc/${pid}/status`, 'utf8')
        const [, user = ''] = /^Uid:\t(\d+)\t\1\t\1\t\1$/m.exec(status) ?? []
        users.add(user)
        expect(status).toMatch(new RegExp(`^Gid:(\\t${user}){4}$`, 'm'))
        expect(status).toMatch(/^Groups:\s*$/m)
        expect(status).toMatch(/^NoNewPrivs:\t1$/m)
        expect(status).toMatch(/^Seccomp:\t2$/m)
        for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
          expect(status).toMatch(new RegExp(`^Cap${set}:\\t0{16}$`, 'm'))
        expect(await readFile(`/proc/${pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0 /m)
      }
      expect([...users].map(Number)).toEqual([expect.any(Number)])
      expect(Number([...users][0])).toBeGreaterThanOrEqual(0x7000_0000)
    },
  )

  it('is trusted: every link of the chain holds when verified again', async () => {
    const outcome = await installation.cli('vm', 'trust', 'first')
    const report = outcome.json as {
      trusted: boolean
      links: { id: string; outcome: string; why?: string; stated: string[] }[]
    }
    expect(report.links.filter((link) => link.outcome !== 'verified')).toEqual([])
    expect(report.links.map((link) => link.id)).toEqual([
      'silicon',
      'measurement',
      'claims',
      'transfer-key',
      'token',
      'release',
      'firmware',
      'guest-state',
      'vtpm',
      'image',
      'measured-boot',
      'disk',
      'settings',
      'ssh-host-key',
      'running-guest',
    ])
    expect(outcome.code).toBe(0)
    const stated = report.links.flatMap((link) => link.stated)
    expect(stated).toContain('its key is readable from this vTPM under PCRs 0, 1, 2, 3, 4, 6, 7, 11, 12, 13')
  })

  it('has the SSH host key that its report shows, and that ssh connects to (attack H26)', async () => {
    const seen = await installation.cli('vm', 'ssh', 'first', '--', 'cat /etc/ssh/ssh_host_ed25519_key.pub')
    expect(seen).toMatchObject({ code: 0, stderr: '' })
    const own = seen.stdout.split(' ').slice(0, 2).join(' ')
    const { sshHostKey } = await installation.must<{ sshHostKey: string }>('vm', 'trust', 'first')
    expect(sshHostKey).toBe(own)
  })

  it('is held to the boot file and the volume of the first boot that its creator trusted (attack H6)', async () => {
    const file = join(installation.home, 'config/strongroom/asked', `${vm.properties.vmId.toLowerCase()}.json`)
    const kept = await readFile(file, 'utf8')
    const asked = JSON.parse(kept) as { vm: object; pins: { bootFile: string; volume: string } }
    expect(asked.vm).toEqual({
      image: 'Strongroom:debian-13:cvm:latest',
      secureBoot: true,
      encryption: 'DiskWithVMGuestState',
    })
    const trust = async (pins: object): Promise<Map<string, { outcome: string; code?: string; shows: string[] }>> => {
      await writeFile(file, JSON.stringify({ ...asked, pins: { ...asked.pins, ...pins } }))
      const { json } = await installation.cli('vm', 'trust', 'first')
      const { links } = json as { links: { id: string; outcome: string; code?: string; shows: string[] }[] }
      return new Map(links.map((link) => [link.id, link]))
    }
    try {
      expect((await trust({})).get('disk')?.shows.join()).toContain('the volume of the first boot that you trusted')
      const other = '11'.repeat(32)
      // As if the host had put another disk in its place, and named that one's volume: the host's word is not asked for.
      expect((await trust({ volume: other })).get('disk')).toMatchObject({ outcome: 'refused', code: 'VolumeMismatch' })
      expect((await trust({ bootFile: other })).get('image')).toMatchObject({
        outcome: 'refused',
        code: 'AnotherBootFile',
      })
    } finally {
      await writeFile(file, kept)
    }
  })

  it('is held to the accounts and keys that its owner names: one key more than was asked for is not trusted (attack B5)', async () => {
    const own = join(installation.home, 'config/strongroom/ssh/id_ed25519.pub')
    const other = join(installation.home, 'other.pub')
    await writeFile(other, `ssh-ed25519 ${Buffer.alloc(51, 7).toString('base64')} other\n`)
    const settings = async (...args: string[]): Promise<{ code: number; outcome?: string; said: string }> => {
      const { code, json } = await installation.cli('vm', 'trust', 'first', ...args)
      const { links } = json as { links: { id: string; outcome: string; shows: string[]; why?: string }[] }
      const link = links.find(({ id }) => id === 'settings')
      return { code, ...(link && { outcome: link.outcome }), said: [link?.why, ...(link?.shows ?? [])].join('\n') }
    }
    expect(await settings()).toMatchObject({ code: 0, said: expect.stringContaining('created here') as string })
    expect(await settings('--ssh-key', own)).toMatchObject({ code: 0, outcome: 'verified' })
    // The guest received settings that this owner did not ask for, such as a key that the host slipped in.
    const refused = await settings('--ssh-key', other)
    expect(refused).toMatchObject({ code: 6, outcome: 'refused' })
    expect(refused.said).toContain('accepts SSH keys that were not requested (PCR 14)')
  })

  it.each(tamperings)('is not trusted with $what in its evidence: the link $link says so', async ({ link, change }) => {
    const evidence = structuredClone(await readEvidence(installation, 'first'))
    change(evidence)
    const { fetchKeySet, verifiers } = await connect(installation.stateDir)
    const report = await verifyBoot({
      name: 'first',
      evidence,
      ...defaultAsked,
      encryption: 'DiskWithVMGuestState',
      size: 'Standard_DC2as_v5',
      paths: installation.rootPaths,
      at: new Date(),
      fetchKeySet,
      verifiers,
      asked: { issuer: sharedIssuer },
      settings: { by: 'resource manager', asked: evidence.asked! },
    })
    expect(report.trusted).toBe(false)
    expect(report.links.find((each) => each.id === link)?.outcome).toBe('refused')
  })

  it('has the hardware report a nonce of its guest’s, once its boot was reported', async () => {
    const call =
      'curl -s --noproxy \'*\' -H Metadata:true --data \'{"userData":"bXktbm9uY2U"}\' http://169.254.169.254/metadata/strongroom/hcl-report'
    const { report } = JSON.parse((await installation.inGuest('first', call)).stdout) as { report: string }
    const { claims, hardwareReport } = parseHclReport(Buffer.from(report, 'base64url'))
    const { 'user-data': userData } = JSON.parse(Buffer.from(claims).toString()) as { 'user-data': string }
    expect(Buffer.from(userData, 'hex').toString().replaceAll('\0', '')).toBe('my-nonce')
    const bound = parseSnpReport(hardwareReport).reportData.subarray(0, 32)
    expect(Buffer.from(bound).toString('hex')).toBe(createHash('sha256').update(claims).digest('hex'))
  })

  it('has an encrypted root, Secure Boot, its host name and its account inside', async () => {
    const seen = await installation.inGuest(
      'first',
      'hostname; id -un; findmnt -no SOURCE /; sudo dmsetup table root | cut -d" " -f3,4; od -An -tu1 -j4 -N1 ' +
        '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c; nproc',
    )
    expect(seen.stderr).toBe('')
    expect(
      seen.stdout
        .split('\n')
        .map((line) => line.trim())
        .slice(0, 6),
    ).toEqual(['first', 'azureuser', '/dev/mapper/root', 'crypt aes-xts-plain64', '1', '2'])
  })

  it('serves the metadata endpoint to the guest with its name, size and security profile', async () => {
    const seen = await installation.inGuest(
      'first',
      "curl -s -H Metadata:true 'http://169.254.169.254/metadata/instance?api-version=2021-02-01'",
    )
    const instance = JSON.parse(seen.stdout) as {
      compute: { name: string; vmSize: string; vmId: string; securityProfile: unknown }
    }
    expect(instance.compute).toMatchObject({
      name: 'first',
      vmSize: 'Standard_DC2as_v5',
      securityProfile: { securityType: 'ConfidentialVM', secureBootEnabled: 'true', virtualTpmEnabled: 'true' },
    })
    const refused = await installation.inGuest(
      'first',
      "curl -s -o /dev/null -w '%{http_code}' 'http://169.254.169.254/metadata/instance?api-version=2021-02-01'",
    )
    expect(refused.stdout).toBe('400')
  })

  it('reaches nothing but the metadata endpoint and the installation from inside', async () => {
    const seen = await installation.inGuest(
      'first',
      `curl -s -m 5 http://10.0.2.2:${installation.ports.local}/health; echo "code $?"`,
    )
    expect(seen.stdout).toMatch(/code [1-9]/)
  })

  it('keeps vTPM state and UEFI variables in clear on memory-backed storage only', async () => {
    const running = await processesOf(vm.properties.vmId)
    const paths = running.flatMap((each) =>
      [...each.cmdline.matchAll(/\/[^ ,=]*\/(?:tpm|variables\.fd)(?=[ ,]|$)/g)].map(([path]) => path),
    )
    expect(
      paths.some((path) => path.endsWith('/tpm')),
      'the folder of the vTPM',
    ).toBe(true)
    expect(
      paths.some((path) => path.endsWith('/variables.fd')),
      'the UEFI variables',
    ).toBe(true)
    // TMPFS_MAGIC (linux/magic.h).
    for (const path of paths) expect((await statfs(path)).type, path).toBe(0x01021994)
  })

  it('whose vTPM is killed is ended with it, and reports why (attack V11)', async () => {
    evidence = await readEvidence(installation, 'first')
    await installation.inGuest('first', 'echo kept | sudo tee /var/kept >/dev/null; sync')
    const swtpm = (await processesOf(vm.properties.vmId)).find((each) => each.command === 'swtpm')
    process.kill(swtpm!.pid, 'SIGKILL')
    await expect
      .poll(async () => statusOf(await installation.must<VmView>('vm', 'show', 'first'), 'PowerState/'), {
        interval: 500,
      })
      .toMatchObject({
        code: 'PowerState/stopped',
        message: expect.stringContaining('The software TPM exited while the guest ran') as string,
      })
    expect(await processesOf(vm.properties.vmId)).toEqual([])
  })
})

/** Runs an action on a VM, which must fail; returns the error. */
async function refused(action: string, name = 'first'): Promise<{ code: string; text: string }> {
  const outcome = await installation.cli('vm', action, name)
  expect(outcome.code, outcome.stdout).not.toBe(0)
  const { error } = outcome.json as { error: { code: string } }
  return { code: error.code, text: JSON.stringify(error) }
}

describe('attacks on a stopped VM', () => {
  it('a guest-state file cut short: no start', async () => {
    const file = await guestStateFile(installation, vm)
    await copyFile(file, `${file}.good`)
    await truncate(file, 1_000_000)
    const refusal = await refused('start')
    expect(refusal.code).toMatch(/^GuestState/)
    expect(await processesOf(vm.properties.vmId)).toEqual([])
    await rename(`${file}.good`, file)
  })

  it('a byte changed in the guest-state file: no start', async () => {
    const file = await guestStateFile(installation, vm)
    await copyFile(file, `${file}.good`)
    const handle = await open(file, 'r+')
    const bytes = await readFile(file)
    // Every block in use is changed, so that no copy of the table or a file is spared.
    for (let offset = 2 * 4096; offset < bytes.length; offset += 4096) {
      if (bytes.subarray(offset, offset + 4096).every((byte) => byte === 0)) continue
      await handle.write(new Uint8Array([bytes[offset + 7]! ^ 1]), 0, 1, offset + 7)
    }
    await handle.close()
    const refusal = await refused('start')
    expect(refusal.code).toMatch(/^GuestState/)
    await rename(`${file}.good`, file)
  })

  it('a byte changed in the kernel on the ESP: the firmware refuses to start it', async () => {
    const state = await guestStateFile(installation, vm)
    // Each start writes the next generation, this one too.
    await copyFile(state, `${state}.old`)
    const disk = await diskFile(installation, vm)
    const place = await findKernelByte(disk)
    const handle = await open(disk, 'r+')
    const original = new Uint8Array(1)
    await handle.read(original, 0, 1, place)
    await handle.write(new Uint8Array([original[0]! ^ 1]), 0, 1, place)
    await handle.sync()
    try {
      expect((await refused('start')).code).toBe('BootLoaderRefused')
    } finally {
      await handle.write(original, 0, 1, place)
      await handle.close()
    }
    expect(await processesOf(vm.properties.vmId)).toEqual([])
  })

  it('an older copy of the guest state put back: refused as rolled back (attack V9)', async () => {
    const file = await guestStateFile(installation, vm)
    await rename(file, `${file}.new`)
    await rename(`${file}.old`, file)
    const refusal = await refused('start')
    expect(refusal.code).toBe('GuestStateRolledBack')
    expect(refusal.text).toContain('expected')
    await rename(`${file}.new`, file)
  })
})

describe('attacks across VMs', () => {
  let second: VmView

  it('a second VM on TDX boots, and is trusted', async () => {
    second = await installation.must<VmView>('vm', 'create', 'second', '--tee', 'tdx')
    const outcome = await installation.cli('vm', 'trust', 'second')
    expect(outcome.code, outcome.stdout).toBe(0)
  })

  it('whose SSH port leads to a server with another key: nothing is sent there (attack H26)', async () => {
    const other = "ssh-keygen -q -t ed25519 -N '' -f /run/other"
    const shown =
      'sed -i s,^HostKey.*,HostKey\\ /run/other, /etc/ssh/sshd_config.d/strongroom.conf; systemctl reload ssh'
    await installation.asRoot('second', `${other}; ${shown}`)
    const led = await installation.cli('vm', 'ssh', 'second', '--', 'true')
    expect([led.code, led.stderr]).toEqual([255, expect.stringContaining('Host key verification failed.')])
  })

  it('whose guest state is exchanged: the stop reports it and where the newest is (attack H10)', async () => {
    const file = await guestStateFile(installation, second)
    await copyFile(file, `${file}.copy`)
    await rename(`${file}.copy`, file)
    for (const action of ['deallocate', 'start']) {
      const { code, text } = await refused(action, 'second')
      expect(code, action).toBe('GuestStateExchanged')
      expect(text, action).toMatch(/"remedy":"[^"]*guest-state\.vmgs\.kept/)
      expect(await processesOf(second.properties.vmId)).toEqual([])
    }
    await rename(`${file}.kept`, file)
    await installation.must('vm', 'deallocate', 'second')
  })

  it("another VM's guest state: its key is not released to this VM, so no start (attack V9)", async () => {
    const own = await guestStateFile(installation, vm)
    const others = await guestStateFile(installation, second)
    await rename(own, `${own}.good`)
    await copyFile(others, own)
    const refusal = await refused('start')
    expect(refusal.code).toMatch(/^GuestState/)
    await rename(`${own}.good`, own)
  })

  it("another VM's disk: this vTPM does not open it (attack D10)", async () => {
    const own = await diskFile(installation, vm)
    const others = await diskFile(installation, second)
    await rename(own, `${own}.good`)
    await rename(others, own)
    const refusal = await refused('start')
    expect(refusal.text).toContain('OS disk did not unlock')
    await rename(own, others)
    await rename(`${own}.good`, own)
  })

  it('the VM keeps its disk once all is put back and its vTPM runs: new boot, higher generation, whole chain (attack V11)', async () => {
    await installation.must('vm', 'start', 'first')
    expect((await installation.cli('vm', 'trust', 'first')).code).toBe(0)
    expect((await installation.inGuest('first', 'cat /var/kept')).stdout.trim()).toBe('kept')
    const after = await readEvidence(installation, 'first')
    expect(after.bootId).not.toBe(evidence.bootId)
    expect(after.guestState.generation).toBeGreaterThan(evidence.guestState.generation)
    const stopped = await installation.must<VmView>('vm', 'stop', 'first')
    expect(statusOf(stopped, 'PowerState/').code).toBe('PowerState/stopped')
    expect(await processesOf(vm.properties.vmId)).toEqual([])
  })

  it('nothing of either is left after delete', async () => {
    await installation.must('vm', 'delete', 'first', '--yes')
    await installation.must('vm', 'delete', 'second', '--yes')
    expect(await installation.must('vm', 'list')).toEqual([])
    expect(await processesOf(installation.stateDir)).toEqual([])
    expect((await installation.cli('vm', 'show', 'first')).code).toBe(4)
  })
})
