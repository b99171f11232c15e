import { execFile } from 'node:child_process'
import { open, readFile, rename, rm, writeFile, type FileHandle } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import type { CliError } from '../../apps/cli/src/core/cli-error.ts'
import { MetadataLiar } from '../../apps/cli/src/drill/host/metadata-liar.ts'
import { HostQemu } from '../../apps/cli/src/drill/host/qemu.ts'
import { cpio } from '../../apps/cli/src/drill/payload/cpio.ts'
import { elfProgram } from '../../apps/cli/src/drill/payload/elf-program.ts'
import { makeMark } from '../../apps/cli/src/drill/payload/mark.ts'
import { rewriteLuks2 } from '../../apps/cli/src/drill/payload/luks2.ts'
import { copyOsDisk, encryptOsDisk, rootPartition } from '../../services/host/src/disks/os-disk.ts'
import { extractRange, insertRange } from '../../services/host/src/disks/sparse.ts'
import { partitionTypes, readPartitions, type Partition } from '../../services/host/src/disks/gpt.ts'
import { findImage } from '../../services/host/src/image/catalog.ts'
import { loadRecipe } from '../../services/host/src/image/recipe.ts'
import { imageFiles } from '../../services/paravisor/src/expected/image-files.ts'
import { parsePe } from '@strongroom/evidence/expected'
import { TestInstallation } from './support/installation.ts'
import { connected, diskOfDiscoverableTypes, RunningMachine } from './support/running-machine.ts'
import { diskFile, openArm, statusOf, type VmView } from './support/vm.ts'

/**
 * One confidential VM, and a host that does what it likes with its disk and its QEMU. Either what it slips in has no
 * effect and the boot is trusted, or the disk stays shut before any of it runs.
 */
const installation = await TestInstallation.create()
const name = 'hosted'
const canary = 'HOST-CODE-RAN'
const bootFolder = '::/EFI/BOOT'
/** Between the root partition's start and its data. */
const luksLength = 16 * 2 ** 20
const run = promisify(execFile)
let vm: VmView
let disk: string
let qemu: HostQemu

const start = async (): Promise<void> =>
  await installation.start({ PATH: `${qemu.folder}${delimiter}${process.env['PATH'] ?? ''}` })

/** The host's QEMU for the next boot. */
async function host(change: (qemu: HostQemu) => void = () => {}): Promise<void> {
  qemu = new HostQemu(join(installation.home, 'host-qemu'))
  change(qemu)
  await qemu.install(name)
}

beforeAll(async () => {
  await host()
  await start()
  await installation.must('image', 'build')
  vm = await installation.must<VmView>('vm', 'create', name)
  disk = await diskFile(installation, vm)
  await installation.must('vm', 'deallocate', name)
})

afterAll(async () => await installation.remove())

/** Puts a range of the VM's disk back as it is now. A boot that stays shut writes nothing to the disk. */
async function kept(offset: number, length: number): Promise<() => Promise<void>> {
  const bytes = Buffer.alloc(length)
  const range = async (use: (file: FileHandle) => Promise<unknown>): Promise<void> => {
    const file = await open(disk, 'r+')
    try {
      await use(file)
    } finally {
      await file.close()
    }
  }
  await range((file) => file.read(bytes, 0, length, offset))
  return () => range((file) => file.write(bytes, 0, length, offset))
}

const aside = (): string => `${disk}.aside`

/** Moves the VM's disk away until the test is over. */
async function exchanged(): Promise<void> {
  await rename(disk, aside())
  onTestFinished(() => rename(aside(), disk))
}

/** Gives a disk of the host's the boot file that the VM's firmware and its disk's seal accept. */
async function bootsAs(from: string, to: string): Promise<void> {
  const espOf = async (path: string): Promise<Partition> =>
    (await readPartitions(path))!.find((partition) => partition.type === partitionTypes.esp)!
  const [own, other] = [await espOf(from), await espOf(to)]
  expect(other.sizeBytes).toBe(own.sizeBytes)
  const file = join(installation.home, 'esp')
  await extractRange({ from, offset: own.offset, length: own.sizeBytes, to: file })
  await insertRange({ from: file, to, offset: other.offset })
  await rm(file)
}

const console = async (): Promise<string> => await readFile(join(disk, '..', 'serial.log'), 'latin1')
/** Runs only if the guest accepts the host's unit. */
const unit =
  '[Unit]\nDefaultDependencies=no\n[Service]\n' +
  `Type=oneshot\nExecStart=/bin/sh -c "echo ${canary} >/dev/console"\n` +
  '[Install]\nWantedBy=basic.target\n'
const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** The VM does not start, for this reason, and nothing of the host's ran. */
async function staysShut(message: RegExp, said: RegExp): Promise<void> {
  const outcome = await installation.cli('vm', 'start', name)
  const { error } = outcome.json as { error: { code: string; message: string } }
  expect([outcome.code, error.code], outcome.stdout).toEqual([1, 'OsDiskDidNotUnlock'])
  expect(error.message).toMatch(message)
  const log = await console()
  expect(log).not.toContain(canary)
  expect(log).toMatch(said)
}

const image = async (): Promise<NonNullable<Awaited<ReturnType<typeof findImage>>>> =>
  (await findImage(installation.cacheDir, (await loadRecipe()).id))!
const withoutKey = /powered off before it was ready, although its registers match/
const noDisk = /no disk is the one that this VM was made with/
const measuredDifferently = /the boot was measured differently/

/** QEMU's arguments for the boot image's own kernel with an initrd of the host's, which says that it ran. */
async function kernelOfTheHost(): Promise<string[]> {
  const boot = parsePe(await readFile(join((await image()).path, '..', imageFiles.boot)))
  const [kernel, initrd] = [join(installation.home, 'kernel'), join(installation.home, 'initrd')]
  await writeFile(kernel, boot.sections.find((section) => section.name === '.linux')!.data)
  const init = { mode: 0o100755, content: elfProgram({ ...makeMark('initrd'), text: canary }) }
  await writeFile(initrd, cpio({ init }))
  return ['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0']
}

/** One boot that meets all of them at once; each has a separate test. */
describe('a boot on a host that changes what the guest does not take', () => {
  const at = (file: string): string => join(installation.home, file)
  const [monitor, line, socket, authority] = [at('monitor'), at('line'), at('liar'), at('authority.pem')]
  const dropin = `[Unit]\nWants=host.service\n`
  const credentials = {
    'systemd.extra-unit.host.service': unit,
    'systemd.unit-dropin.basic.target': dropin,
    'systemd.unit-dropin.sysinit.target~host': dropin,
    'tmpfiles.extra': `f /etc/host-was-here 0644 root root - ${canary}\n`,
    'fstab.extra': 'tmpfs /srv tmpfs defaults 0 0\n',
    'ssh.authorized_keys.root': 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHost host\n',
    'passwd.plaintext-password.root': 'host',
    'sysusers.extra': 'u host 0 - /root /bin/sh\n',
  }
  let lies: { caPem: Buffer; adminUsername: Buffer; sshPublicKey: Buffer }
  let liar: MetadataLiar
  /** When the guest hands in a result. */
  let cut = async (): Promise<void> => {}
  const older = (): string => `${disk}.older`
  let putBack: () => Promise<void>

  beforeAll(async () => {
    const subject = ['-subj', '/CN=host', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${authority}.key`]
    await run('openssl', ['req', '-new', '-x509', ...subject, '-out', authority])
    lies = {
      caPem: await readFile(authority),
      adminUsername: Buffer.from('hostuser'),
      sshPublicKey: Buffer.from(`ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${canary}`),
    }
    liar = new MetadataLiar({
      provisioning: (told) => [...told.filter(([key]) => !(key in lies)), ...Object.entries(lies)],
      result: async () => await cut(),
    })
    const { offset } = await rootPartition(disk)
    putBack = await kept(offset, luksLength)
    await rewriteLuks2(disk, offset, (header) => {
      header.config.requirements = { mandatory: ['online-reencrypt'] }
      for (const segment of Object.values(header.segments) as { encryption: string }[]) segment.encryption = 'aes-ecb'
    })
    await run('cp', ['--sparse=always', disk, older()])
    const kernel = await kernelOfTheHost()
    await host((own) => {
      own.add(...kernel)
      for (const [key, text] of Object.entries(credentials))
        own.add('-smbios', `type=11,value=io.systemd.credential.binary:${key}=${base64(text)}`)
      const text = unit.replaceAll('\n', ' ')
      own.add('-fw_cfg', `name=opt/io.systemd.credentials/motd.host,string=${text.replaceAll(',', ',,')}`)
      own.takeOver('metadata', socket)
      own.add('-qmp', `unix:${monitor},server=on,wait=off`)
      const serial = `socket,id=serial,server=on,wait=off,telnet=on,path=${line},logappend=on,logfile=`
      own.replace('file,id=serial,append=on,path=', serial)
    })
    await liar.listen(socket, async () => (await readFile(join(qemu.folder, 'runtime'), 'utf8')).trim())
    await installation.must('vm', 'start', name)
  })

  afterAll(async () => {
    await liar.close()
    await host()
    await installation.must('vm', 'deallocate', name)
    await putBack()
  })

  const inside = async (script: string): Promise<string> => await installation.asRoot(name, script)

  it('is trusted, and nothing of the host’s ran', async () => {
    expect(await console()).not.toContain(canary)
    expect((await installation.cli('vm', 'trust', name)).code).toBe(0)
  })

  it('takes no credentials of systemd’s, by SMBIOS or fw_cfg (attack H2)', async () => {
    const seen = await inside(
      'ls /etc/host-was-here /run/credentials/@system /run/systemd/system/host.service /root/.ssh/authorized_keys ' +
        '2>/dev/null || true; findmnt -n /srv || true; getent passwd host || true; echo end',
    )
    expect(seen.split('\n').at(-1)).toBe('end')
    expect(seen).not.toMatch(/host|credential|srv/)
  })

  it('reads no header of its disk’s: another one changes nothing (attacks D3, D4)', async () => {
    expect(await inside('dmsetup table root | cut -d" " -f3,4')).toBe('crypt aes-xts-plain64')
  })

  it('takes no certificate authority, account or key from a metadata endpoint that lies (attacks B5, H7)', async () => {
    expect(liar.asked).toBe(true)
    const line = lies.caPem.toString().split('\n')[2]!
    const seen = await inside(
      `{ grep -rF '${line}' /etc/ssl/certs /usr/local/share/ca-certificates; grep -rF '${canary}' /home /root; ` +
        'getent passwd hostuser; } || true; echo end',
    )
    expect(seen).toBe('end')
  })

  it('is not started in the boot image’s place, though the firmware of others starts it past Secure Boot (attack H12)', async () => {
    // Guests’ firmware has no code that would see a kernel: it starts the disk, as if there were none.
    expect(await console()).not.toContain(canary)
    expect(await inside('cat /proc/cmdline')).toContain('panic=10')
    expect((await installation.cli('vm', 'trust', name)).code).toBe(0)
  })

  it('has no login at a virtual console, no word of the kernel by a break, and mounts no plugged-in disk (attack H13)', async () => {
    const machine = new RunningMachine(await connected(monitor), await connected(line))
    const console = 'cat /sys/class/tty/tty0/active'
    /** Alt and a function key, repeated until the machine reacts. */
    const change = async (number: number): Promise<void> =>
      await expect
        .poll(
          async () => {
            await machine.press('alt', `f${number}`)
            return await inside(console)
          },
          { interval: 2000 },
        )
        .toBe(`tty${number}`)
    const logins = 'sleep 8; ps -C agetty,login -o args= || true'
    try {
      for (const number of [2, 3, 4]) await change(number)
      expect(await inside(logins)).toBe('')
      const kernelSaid = "sleep 2; dmesg | grep -c 'sysrq: ' || true"
      await inside('systemd-run --quiet sh -c "exec <>/dev/ttyS0; sleep 600"')
      for (const letter of '9tmw') await machine.breakThen(letter)
      expect(await inside(kernelSaid)).toBe('0')
      await machine.plug(await diskOfDiscoverableTypes(at('plugged')), 9)
      const disk = '/dev/disk/azure/scsi1/lun9'
      const seen =
        `udevadm settle; sleep 5; ls ${disk}-part4; findmnt --noheadings --output SOURCE | grep $(readlink -f ` +
        `${disk}) || true; tail -n +2 /proc/swaps`
      expect(await inside(seen)).toBe(`${disk}-part4`)
      // Each of these ways leads to the guest: if it lets them in, there is a trace.
      await inside('systemctl unmask --quiet getty@.service autovt@.service; sysctl --quiet kernel.sysrq=1')
      await change(5)
      expect(await inside(logins)).toMatch(/agetty/)
      await machine.breakThen('h')
      expect(Number(await inside(kernelSaid))).toBeGreaterThan(0)
      await inside('systemctl mask --quiet getty@.service autovt@.service; systemctl stop "getty@*" "autovt@*"')
    } finally {
      machine.close()
    }
  })

  it('does not run again what its owner signed, after the power was cut at its result and on an older disk (attack H23)', async () => {
    const [script, counter] = [at('counted.sh'), '/root/counter']
    await writeFile(script, `printf x >>${counter}\nsync\n`)
    const signed = (await installation.cli('vm', 'sign-script', name, script)).stdout
    const arm = await openArm(installation)
    /** The code and message of the refusal. */
    const deliver = async (): Promise<string> =>
      await arm
        .result('POST', `${vm.id}/runCommand`, apiVersions.compute, { commandId: 'RunShellScript', script: [signed] })
        .then(
          () => 'it ran',
          ({ code, message }: CliError) => `${code}: ${message}`,
        )
    const bootNumber = async (): Promise<string> =>
      statusOf(await installation.must<VmView>('vm', 'show', name), 'BootNumber/').code
    const before = await bootNumber()
    cut = async () => {
      process.kill((await qemu.pid())!, 'SIGKILL')
      throw new Error('the result reaches nobody')
    }
    expect(await deliver()).toMatch(/^RunCommandResultUnknown: .*does not run again/)
    cut = async () => {}
    await installation.must('vm', 'start', name)
    expect(await bootNumber()).not.toBe(before)
    expect(await deliver()).toMatch(/^RunCommandRefusedByGuest: .*another boot of this machine/)
    expect(await inside(`cat ${counter}`)).toBe('x')
    await installation.must('vm', 'deallocate', name)
    await rename(disk, aside())
    await rename(older(), disk)
    await staysShut(withoutKey, /OS disk refused: it is older than the last boot of this VM/)
    await rename(aside(), disk)
    await installation.must('vm', 'start', name)
    expect(await deliver()).toMatch(/^RunCommandRefusedByGuest: .*another boot of this machine/)
    // Signed for this boot, it runs.
    await installation.must('vm', 'run-command', name, script)
    expect(await inside(`cat ${counter}`)).toBe('xx')
  })
})

describe('what a host passes to the system that starts', () => {
  afterEach(async () => await host())

  it('moves PCR 12 where it is a command line for the boot stub, and the disk stays shut (attacks B2, H3)', async () => {
    await host((own) =>
      own.add('-smbios', 'type=11,value=io.systemd.stub.kernel-cmdline-extra=systemd.import_credentials=yes'),
    )
    await staysShut(/PCR 12/, measuredDifferently)
  })

  it('moves PCR 12 where it is a credential beside the boot image, and the disk stays shut (attack H4)', async () => {
    const esp = (await readPartitions(disk))!.find((partition) => partition.type === partitionTypes.esp)!
    const file = join(installation.home, 'host.cred')
    await writeFile(file, 'host')
    const at = ['-i', `${disk}@@${esp.offset}`]
    const env = { ...process.env, MTOOLS_SKIP_CHECK: '1' }
    const folder = `${bootFolder}/BOOTX64.EFI.extra.d`
    await run('mmd', [...at, folder], { env })
    onTestFinished(async () => void (await run('mdeltree', [...at, folder], { env })))
    await run('mcopy', [...at, file, `${folder}/systemd.extra-unit.host.service.cred`], { env })
    await staysShut(/PCR 12/, measuredDifferently)
  })
})

describe('a disk of the host’s', () => {
  afterEach(async () => await host())

  it('is found out in what lies on it: a block that the host flips is no longer the one written (attack D8)', async () => {
    const { offset } = await rootPartition(disk)
    // The file system's superblock is in the first block of the data.
    const superblock = offset + luksLength
    onTestFinished(await kept(superblock, 4096))
    const file = await open(disk, 'r+')
    const block = Buffer.alloc(4096)
    await file.read(block, 0, block.length, superblock)
    for (let at = 1024; at < 1024 + 16; at++) block[at]! ^= 1
    await file.write(block, 0, block.length, superblock)
    await file.close()
    await staysShut(withoutKey, noDisk)
  })

  it('is not opened where the host encrypted it under a key of its own (attack D5)', async () => {
    await exchanged()
    const sizeGiB = 4
    const runtimeDir = installation.home
    await encryptOsDisk({ image: await image(), sizeGiB, out: disk, runtimeDir })
    await bootsAs(aside(), disk)
    await staysShut(withoutKey, noDisk)
  })

  it('is not mounted where it is a file system in clear, alone or in front of the VM’s (attacks D6, H9)', async () => {
    const clear = join(installation.home, 'clear.raw')
    await copyOsDisk({ image: await image(), sizeGiB: 4, out: clear })
    await bootsAs(disk, clear)
    await host((own) => {
      own.add('-drive', `if=none,id=host,format=raw,file=${clear}`)
      own.add('-device', 'virtio-blk-pci,drive=host,addr=0x1c')
    })
    await staysShut(/PCR 1\b/, measuredDifferently)
    await host()
    await exchanged()
    await rename(clear, disk)
    await staysShut(withoutKey, noDisk)
  })

  // The last: its disk is not put back.
  it('is not opened where its header says that the cipher is none, its data a system in clear (attacks D1, D2)', async () => {
    const { offset } = await rootPartition(disk)
    await rewriteLuks2(disk, offset, (header) => {
      for (const segment of Object.values(header.segments) as { encryption: string }[])
        segment.encryption = 'cipher_null-ecb'
    })
    const plain = await image()
    const root = (await readPartitions(plain.path))!.find((partition) => partition.type === partitionTypes.rootX64)!
    const clear = join(installation.home, 'clear')
    await run('dd', [
      `if=${plain.path}`,
      `of=${clear}`,
      'bs=1M',
      `skip=${root.offset}`,
      `count=${root.sizeBytes}`,
      'iflag=skip_bytes,count_bytes',
    ])
    await insertRange({ from: clear, to: disk, offset: offset + luksLength })
    await rm(clear)
    await staysShut(withoutKey, noDisk)
  })
})
