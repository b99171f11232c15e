import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { measured, harmless, refused, type Attack } from './attack.ts'
import type { Host } from '../host/host.ts'
import { runProgram } from '../host/programs.ts'
import { efiProgram } from '../payload/efi-program.ts'
import { markingUnit } from '../host/mark.ts'
import { signWithStrangersKey } from '../payload/signing.ts'

export const bootFile = 'EFI/BOOT/BOOTX64.EFI'
const beside = `${bootFile}.extra.d`
const shim = '/usr/lib/shim/shimx64.efi.signed'
const bootLoaderRefused = refused(/^BootLoaderRefused$/)
/** systemd-stub measures what it takes from the ESP into PCR 12 or 13 before it passes it to the initrd. */
const extrasRefused = [harmless, measured(12), measured(13)]

/** A command line that makes root run a command, as an add-on of the kernel image. */
async function addOn(host: Host): Promise<string> {
  const out = await host.file('command-line.addon.efi')
  const { shell } = host.mark('command line of an add-on')
  const run = `systemd.run="/bin/sh -c \\"${shell.replaceAll('%', '%%')}\\"" systemd.run_success_action=none`
  const stub = '--stub=/usr/lib/systemd/boot/efi/addonx64.efi.stub'
  await runProgram('/usr/bin/python3', ['/usr/bin/ukify', 'build', stub, `--cmdline=drill=1 ${run}`, `--output=${out}`])
  return out
}

/** A system or configuration extension image with a unit that leaves a mark. */
async function extension(host: Host, kind: 'sysext' | 'confext'): Promise<Buffer> {
  const [tree, image] = [await host.file(`${kind}-tree`), await host.file(`${kind}.raw`)]
  const base = kind === 'sysext' ? `${tree}/usr/lib` : `${tree}/etc`
  await runProgram('mkdir', ['-p', `${base}/extension-release.d`, `${base}/systemd/system/sysinit.target.wants`])
  const unit = markingUnit(host.mark(`unit of a ${kind}`))
  await runProgram('tee', [`${base}/systemd/system/drill.service`], { input: unit })
  await runProgram('ln', ['-sf', '../drill.service', `${base}/systemd/system/sysinit.target.wants/drill.service`])
  await runProgram('tee', [`${base}/extension-release.d/extension-release.${kind}`], { input: 'ID=_any\n' })
  await runProgram('mke2fs', ['-q', '-t', 'ext4', '-d', tree, image, '4M'])
  return await readFile(image)
}

const program = (o: Omit<Attack, 'carryOut'>, make: (host: Host) => Promise<Uint8Array>): Attack => ({
  ...o,
  carryOut: async (host) => {
    await (await host.bootPartition()).write(bootFile, await make(host))
    return await host.boot()
  },
})

/** Files beside the kernel image and under loader/, each in a separate boot. */
const besideKernel = (
  name: string,
  title: string,
  files: (host: Host) => Promise<Record<string, Uint8Array>>,
): Attack => ({
  id: `H4/${name}`,
  title,
  does: 'writes to the EFI system partition, which nothing authenticates',
  ends: extrasRefused,
  carryOut: async (host) => {
    const partition = await host.bootPartition()
    for (const [path, content] of Object.entries(await files(host))) await partition.write(path, content)
    return await host.boot(`grep -q drill=1 /proc/cmdline && echo 'taken word of the kernel command line'
ls /run/credentials/@encrypted/* /run/credentials/@system/* /.extra/* 2>/dev/null | sed -n 's/.*drill.*/taken &/p'
true`)
  },
})

async function credential(): Promise<Buffer> {
  const encrypt = ['encrypt', '--with-key=null', '--name=systemd.extra-unit.drill.service', '-', '-']
  const { stdout } = await runProgram('systemd-creds', encrypt, { input: '[Service]\nExecStart=/bin/true\n' })
  return Buffer.from(stdout, 'latin1')
}

export const bootFileAttacks: Attack[] = [
  program(
    {
      id: 'B4/unsigned-program',
      title: 'a UEFI program of the host’s, not signed, as the boot loader',
      does: `writes it to ${bootFile}`,
      ends: [bootLoaderRefused],
    },
    async (host) => efiProgram(host.mark('UEFI program')),
  ),
  program(
    {
      id: 'B4/stranger-signed',
      title: 'a UEFI program signed with a key of the host’s, as the boot loader',
      does: `writes it to ${bootFile}`,
      ends: [bootLoaderRefused],
    },
    async (host) => {
      const path = await host.file('program.efi', efiProgram(host.mark('UEFI program')))
      return await readFile(await signWithStrangersKey(path, dirname(path)))
    },
  ),
  {
    id: 'B4/microsoft-shim',
    title: 'the VM’s own kernel image, started by a boot loader that Microsoft signed',
    does: `puts Debian’s shim at ${bootFile} and the kernel image behind it, where Microsoft’s keys are in db`,
    ends: [measured(7), bootLoaderRefused],
    cannot: async () => (existsSync(shim) ? undefined : `there is no ${shim} (apt-get install shim-signed)`),
    carryOut: async (host) => {
      const partition = await host.bootPartition()
      const kernel = await host.file('kernel.efi')
      await partition.read(bootFile, kernel)
      await partition.write('EFI/BOOT/grubx64.efi', await readFile(kernel))
      await partition.write(bootFile, await readFile(shim))
      return await host.boot()
    },
  },
  program(
    {
      id: 'B9/kernel-byte',
      title: 'one bit of the signed kernel image changed',
      does: `changes a byte in the middle of ${bootFile}`,
      ends: [bootLoaderRefused],
    },
    async (host) => {
      const kernel = await host.file('kernel.efi')
      await (await host.bootPartition()).read(bootFile, kernel)
      const bytes = await readFile(kernel)
      const middle = Math.floor(bytes.length / 2)
      bytes[middle] = bytes[middle]! ^ 1
      return bytes
    },
  ),
  besideKernel('addon', 'an add-on beside the kernel image, not signed', async (host) => {
    const content = await readFile(await addOn(host))
    return { [`${beside}/drill.addon.efi`]: content, 'loader/addons/drill.addon.efi': content }
  }),
  besideKernel('addon-stranger-signed', 'an add-on signed with a key of the host’s', async (host) => {
    const path = await addOn(host)
    const content = await readFile(await signWithStrangersKey(path, dirname(path)))
    return { [`${beside}/drill.addon.efi`]: content, 'loader/addons/drill.addon.efi': content }
  }),
  besideKernel(
    'credential-file',
    'credentials under the null key beside the kernel image and in loader/credentials',
    async () => {
      const content = await credential()
      return { [`${beside}/drill.cred`]: content, 'loader/credentials/drill.cred': content }
    },
  ),
  besideKernel('sysext', 'a system extension beside the kernel image', async (host) => ({
    [`${beside}/drill.sysext.raw`]: await extension(host, 'sysext'),
  })),
  besideKernel('confext', 'a configuration extension beside the kernel image', async (host) => ({
    [`${beside}/drill.confext.raw`]: await extension(host, 'confext'),
  })),
  besideKernel(
    'loader-entries',
    'entries of a boot loader, a start-up script and other programs on the ESP',
    async (host) => {
      const strange = efiProgram(host.mark('program that an entry names'))
      return {
        'loader/loader.conf': Buffer.from('default drill.conf\ntimeout 0\n'),
        'loader/entries/drill.conf': Buffer.from('title drill\nefi /EFI/Linux/drill.efi\n'),
        'EFI/Linux/drill.efi': strange,
        'EFI/systemd/systemd-bootx64.efi': strange,
        'EFI/debian/shimx64.efi': strange,
        'EFI/systemd/drivers/drillx64.efi': strange,
        'startup.nsh': Buffer.from('fs0:\\EFI\\Linux\\drill.efi\n'),
      }
    },
  ),
]
