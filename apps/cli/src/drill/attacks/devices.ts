import { existsSync } from 'node:fs'
import { parsePe } from '@strongroom/evidence/expected'
import { harmless, measured, refused, type Attack } from './attack.ts'
import type { Host } from '../host/host.ts'
import { acpiTable } from '../payload/acpi-table.ts'
import { cpio } from '../payload/cpio.ts'
import { elfProgram } from '../payload/elf-program.ts'
import { efiProgram, efiSubsystems, optionRom } from '../payload/efi-program.ts'
import { bootFile } from './boot-files.ts'
import { readKernel } from './partitions.ts'

/** Debian's store of UEFI variables without any keys. */
const emptyVariables = '/usr/share/OVMF/OVMF_VARS_4M.fd'

/** What Debian's OVMF reads from fw_cfg, besides the tables that QEMU creates and the kernel (the names are in its firmware volume). */
const firmwareSettings: readonly [name: string, value: string][] = [
  ['opt/org.tianocore/EnableLegacyLoader', 'yes'],
  ['opt/org.tianocore/EFIShellSupport', 'yes'],
  ['opt/org.tianocore/IPv4Support', 'yes'],
  ['opt/org.tianocore/IPv6Support', 'yes'],
  ['opt/org.tianocore/IPv4PXESupport', 'yes'],
  ['opt/org.tianocore/IPv6PXESupport', 'yes'],
  ['opt/org.tianocore/ISCSISupport', 'yes'],
  ['opt/org.tianocore/VirtioNetSupport', 'yes'],
  ['opt/org.tianocore/UsbStorageSupport', 'yes'],
  ['opt/org.tianocore/UninstallMemAttrProtocol', 'yes'],
  ['opt/org.tianocore/X-Cpuhp-Bugcheck-Override', 'yes'],
  ['opt/org.tianocode/sp800155evt/drill', 'SP800-155 Event3 of the host'],
  ['opt/ovmf/PcdSetNxForStack', 'no'],
  ['opt/ovmf/X-PciMmio64Mb', '65536'],
  ['etc/edk2/https/cacerts', 'authorities of the host'],
  ['etc/hardware-info', 'devices of the host'],
]

/** Code that writes a mark to the serial port, in a table that the guest's kernel runs before the disk's key is read. */
export async function addAcpiCode(host: Host, name: string): Promise<void> {
  host.qemu.add('-acpitable', `file=${await host.file('drill.aml', acpiTable(host.mark(name)))}`)
}

export const deviceAttacks: Attack[] = [
  {
    id: 'B4/secure-boot-off',
    title: 'Secure Boot switched off',
    does: 'gives the firmware an empty store of variables in place of the VM’s',
    ends: [refused(/^VariablesExchanged$/)],
    carryOut: async (host) => {
      host.qemu.replaceArgument('if=pflash,unit=1', `if=pflash,unit=1,format=raw,snapshot=on,file=${emptyVariables}`)
      return await host.boot()
    },
  },
  {
    id: 'B3/acpi-table',
    title: 'an ACPI table with code that the kernel runs (BadAML)',
    does: 'adds a secondary table whose code writes to a port, as it could to memory',
    ends: [measured(1)],
    early: true,
    carryOut: async (host) => {
      await addAcpiCode(host, 'ACPI code')
      return await host.boot(undefined, { toItsEnd: true })
    },
  },
  {
    id: 'H4/option-rom',
    title: 'a UEFI driver in the option ROM of a device',
    does: 'adds a device with a ROM of the host’s',
    ends: [measured(1), measured(2)],
    carryOut: async (host) => {
      const driver = efiProgram(host.mark('option ROM'), efiSubsystems.bootServiceDriver)
      const rom = await host.file('drill.rom', optionRom(driver, { vendor: 0x8086, device: 0x10d3 }))
      host.qemu.add('-device', `e1000e,romfile=${rom}`)
      return await host.boot()
    },
  },
  {
    id: 'H4/smbios-strings',
    title: 'SMBIOS strings of every type that the guest reads',
    does: 'names another maker, board, chassis, processor, memory and OEM strings, and a source for cloud-init',
    ends: [harmless],
    carryOut: async (host) => {
      const text = 'drill-host;s=http://169.254.169.252/'
      for (const table of [
        `type=0,vendor=${text},version=${text}`,
        `type=1,manufacturer=Amazon EC2,product=${text},version=${text},sku=${text},family=ds=nocloud;h=drill-host`,
        `type=2,manufacturer=${text},product=${text},asset=${text}`,
        `type=3,manufacturer=${text},asset=7783-7084-3265-9085-8269-3286-77`,
        `type=4,manufacturer=${text},asset=${text}`,
        `type=11,value=drill-host:${text}`,
        `type=17,manufacturer=${text},asset=${text}`,
      ])
        host.qemu.add('-smbios', table)
      return await host.boot(`[ "$(hostname)" = drill-host ] && echo 'taken host name'
[ -e /run/cloud-init/enabled ] && echo 'taken source of cloud-init'
true`)
    },
  },
  {
    id: 'H4/direct-kernel',
    title: 'the image’s kernel with an initrd and a command line of the host’s (LINUX_EFI_INITRD_MEDIA)',
    does: 'gives the firmware the kernel, an initrd and a command line by QEMU’s -kernel, -initrd and -append',
    // The firmware has no driver for it, and starts the disk.
    ends: [harmless],
    carryOut: async (host) => {
      const archive = cpio({ init: { mode: 0o100755, content: elfProgram(host.mark('code of the initrd')) } })
      const image = parsePe(await readKernel(host, bootFile))
      const kernel = image.sections.find(({ name }) => name === '.linux')
      if (kernel === undefined) throw new TypeError('the boot image holds no kernel')
      host.qemu.add(
        '-kernel',
        await host.file('kernel', kernel.data),
        '-initrd',
        await host.file('initrd.cpio', archive),
      )
      host.qemu.add('-append', 'console=ttyS0 drill=1')
      return await host.boot(`grep -q drill=1 /proc/cmdline && echo 'taken word of the kernel command line'\ntrue`)
    },
  },
  {
    id: 'H12/firmware-settings',
    title: 'settings that OVMF reads from fw_cfg',
    does:
      `gives the firmware ${firmwareSettings.length} of them: the loader of old kernels, a shell, booting by ` +
      'network, memory protection',
    // An additional boot entry, by network, is measured into PCR 1.
    ends: [harmless, measured(1)],
    carryOut: async (host) => {
      for (const [index, [name, value]] of firmwareSettings.entries())
        host.qemu.add('-fw_cfg', `name=${name},file=${await host.file(`setting-${index}`, Buffer.from(value))}`)
      return await host.boot()
    },
  },
  {
    id: 'H4/vsock',
    title: 'a vsock device, on which systemd would listen for SSH',
    does: 'adds one',
    ends: [measured(1)],
    cannot: async () => (existsSync('/dev/vhost-vsock') ? undefined : 'this machine has no /dev/vhost-vsock'),
    carryOut: async (host) => {
      host.qemu.add('-device', 'vhost-vsock-pci,guest-cid=4242')
      return await host.boot(`ss --vsock --listening --no-header | grep -q . && echo 'taken vsock listener'\ntrue`)
    },
  },
  {
    id: 'H4/dhcp-answers',
    title: 'DHCP answers that name the machine, its domain and its servers',
    does: 'has QEMU’s DHCP server say them',
    ends: [harmless],
    carryOut: async (host) => {
      const told = ['hostname=drill-host', 'vdomainname=drill-host.example', 'vdnssearch=drill-host.example']
      const served = ['tftp_server_name=drill-host', 'bootfile=drill-host']
      host.qemu.replace('slirp:///', `slirp:///${[...told, ...served].join('/')}/`)
      return await host.boot(`[ "$(hostname)" = drill-host ] && echo 'taken host name'
[ "$(cat /proc/sys/kernel/domainname)" = drill-host.example ] && echo 'taken domain name'
grep -qs drill-host /etc/resolv.conf /run/systemd/resolve/resolv.conf && echo 'taken search domain'
grep -rqs drill-host.example /run/systemd/netif/leases || echo 'untried the answers did not reach the guest'
true`)
    },
  },
  {
    id: 'B6/clock',
    title: 'a clock ten years back',
    does: 'starts the machine’s clock in 2016',
    ends: [harmless],
    carryOut: async (host) => {
      host.qemu.add('-rtc', 'base=2016-11-27T08:00:00')
      return await host.boot()
    },
  },
  {
    id: 'B6/ntp-answers',
    title: 'NTP answers of ten years ago',
    does: 'answers the guest in place of the machine’s clock',
    // The freshness of evidence is judged outside the guest, by clocks that this host does not set.
    ends: [harmless],
    carryOut: async (host) => {
      await host.lieOfTime(new Date('2016-11-27T08:00:00Z'))
      return await host.boot(`for second in $(seq 90); do [ "$(date +%Y)" = 2016 ] && break; sleep 1; done
[ "$(date +%Y)" = 2016 ] || echo 'untried the guest did not hear the answers'
true`)
    },
  },
  {
    id: 'B8/no-entropy',
    title: 'a device for random numbers that gives zeros',
    does: 'adds a virtio-rng that reads zeros',
    ends: [measured(1)],
    carryOut: async (host) => {
      host.qemu.add('-object', 'rng-random,id=zeros,filename=/dev/zero', '-device', 'virtio-rng-pci,rng=zeros')
      return await host.boot()
    },
  },
  {
    id: 'B8/no-processor-entropy',
    title: 'a processor without random numbers',
    does: 'leaves RDRAND and RDSEED out of the processor’s model',
    ends: [refused(/^(OsDiskDidNotUnlock|GuestDidNotBoot)$/, /the processor has no random numbers/)],
    carryOut: async (host) => {
      host.qemu.replace('svm=off,vmx=off', 'svm=off,vmx=off,rdrand=off,rdseed=off')
      return await host.boot()
    },
  },
]
