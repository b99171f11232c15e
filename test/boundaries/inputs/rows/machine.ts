import { authenticated, ignored, measured, under, unprotected, type Section } from '../row.ts'

const simulated = 'Simulated silicon is a program on the host'
const firmware = "Guests' firmware is Debian's OVMF"
const unnamed = 'Devices that no ACPI table names'
const dataDisks = 'The host reads and writes a data disk'
const tables = [
  'B3',
  'E23',
  'services/host/src/qemu/reference-machine.test.ts: are those that verifiers compute, for any machine',
]
const strings = ['H4/smbios-strings', 'H2', 'H3']

export const qemuArguments: Section = {
  id: 'qemu-arguments',
  title: 'Arguments of QEMU',
  about:
    'From `machineArguments`, with every kind of disk and interface, and compared with the command line of a running VM.',
  rows: [
    measured('PCR 1', 'measured-boot', tables, [
      '-machine pc-q35-10.0,smm=on,vmport=off,sata=off,smbus=off,dump-guest-core=off',
      '-smp',
      '-m',
      '-global ICH9-LPC.disable_s3=1',
      '-device tpm-crb tpmdev',
      '-device virtio-blk-pci bootindex drive',
      '-device virtio-net-pci mac netdev romfile',
      '-device virtio-scsi-pci id',
    ]),
    measured(
      'launch measurement; read back before the first instruction',
      'measurement',
      ['E24', 'H17'],
      ['-drive file format if readonly unit', '-S'],
    ),
    measured(
      'PCR 7; each boot gets the variables that its guest state has',
      'measured-boot',
      ['B4', 'H15'],
      ['-drive auto-read-only file format if unit', '-global driver=cfi.pflash01,property=secure,value=on'],
    ),
    measured('reset count and clock of the TPM', 'running-guest', 'H27', ['-action shutdown=pause,reboot=shutdown']),
    authenticated(
      'volume key, in the vTPM',
      ['D1', 'D5', 'D6', 'D10'],
      [
        '-blockdev file cache.direct discard filename node-name=os-file',
        '-blockdev nbd discard export node-name=os-file reconnect-delay server.path server.type',
        '-blockdev raw discard file node-name=os',
      ],
    ),
    authenticated('key of the temporary disk, new at each boot', 'D11', [
      '-blockdev file discard filename node-name=temporary-file',
      '-blockdev raw discard file node-name=temporary',
      '-device scsi-hd bus channel drive id=temporary lun scsi-id',
    ]),
    authenticated(
      'attestation key, in the attested claims',
      ['V2', 'H27'],
      ['-chardev socket id path', '-tpmdev emulator chardev id'],
    ),
    authenticated('SSH host key, in PCR 15', 'H26', ['slirp tcpfwd']),
    unprotected(dataDisks, [
      '-blockdev file discard filename node-name=data-file',
      '-blockdev nbd discard export node-name=data-file reconnect-delay server.path server.type',
      '-blockdev raw discard file node-name=data',
      '-device scsi-hd bus channel device_id drive id=data lun scsi-id serial',
    ]),
    unprotected('What cloud-init takes from the host at the first boot', ['-smbios serial type']),
    unprotected(simulated, ['-accel device', '-accel thread']),
    unprotected(unnamed, ['-cpu svm vmx']),
    ignored(
      'no way into the guest',
      ['B7', 'B1/console'],
      [
        '-chardev file append id path',
        '-chardev socket fd id',
        '-display',
        '-mon chardev mode',
        '-nodefaults',
        '-no-user-config',
        '-serial',
      ],
    ),
    ignored('a name', strings, ['-name debug-threads guest', '-uuid']),
    ignored('protects the host from the guest', 'H11', [
      '-add-fd fd opaque set',
      '-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
      'slirp restricted',
    ]),
    ignored(
      'addresses by DHCP: no name, resolver or further gateway is taken',
      ['H4/dhcp-answers', 'H31'],
      [
        '-netdev user dhcpstart dns host id ipv6 net restrict',
        '-netdev vde id sock',
        'slirp addr',
        'slirp dhcp',
        'slirp v4',
      ],
    ),
    ignored('the doors behind it: see the metadata endpoint', ['D5', 'H8'], ['slirp unixfwd']),
  ],
}

export const firmwareFiles: Section = {
  id: 'fw_cfg',
  title: 'Files of fw_cfg',
  about:
    'The directory of a QEMU with a VM’s arguments. Linux does not read them: the signed command line excludes its driver.',
  rows: [
    measured('PCR 1', 'measured-boot', tables, [
      ...under(
        '',
        'bootorder etc/acpi/rsdp etc/acpi/tables etc/smi/features-ok etc/smi/requested-features ' +
          'etc/smi/supported-features etc/table-loader etc/tpm/log',
      ),
    ]),
    ignored('no string of SMBIOS is taken', strings, ['etc/smbios/smbios-anchor', 'etc/smbios/smbios-tables']),
    unprotected(firmware, [
      ...under('', 'bios-geometry etc/boot-fail-wait etc/e820 etc/system-states etc/tpm/config genroms/kvmvapic.bin'),
    ]),
  ],
}

export const acpiTables: Section = {
  id: 'acpi',
  title: 'ACPI tables',
  about: 'The tables in `etc/acpi/tables`.',
  rows: [measured('PCR 1', 'measured-boot', tables, [...under('', 'APIC DSDT FACP FACS HPET MCFG RSDT TPM2 WAET')])],
}

export const smbios: Section = {
  id: 'smbios',
  title: 'SMBIOS structures',
  about: 'Types in `etc/smbios/smbios-tables`. The firmware measures none of them.',
  rows: [
    ignored('no string of them is taken', strings, ['3', '4', '16', '17', '19', '32', '127']),
    unprotected('What cloud-init takes from the host at the first boot', ['1']),
  ],
}

export const devices: Section = {
  id: 'devices',
  title: 'Devices',
  about: 'Types of devices in `info qtree` and `info qom-tree` of a running VM.',
  rows: [
    measured('PCR 1', 'measured-boot', tables, [
      ...under(
        '',
        'ICH9-LPC apic hpet i8042 ioapic isa-serial mc146818rtc mch pc-q35-10.0-machine ps2-kbd ps2-mouse ' +
          'q35-pcihost serial',
      ),

      ...under(
        '',
        'virtio-blk-device virtio-blk-pci virtio-net-device virtio-net-pci virtio-scsi-device virtio-scsi-pci',
      ),
    ]),
    measured('launch measurement; PCR 7', 'measurement', ['E24', 'H15'], ['cfi.pflash01']),
    authenticated('attestation key, in the attested claims', ['V2', 'V11', 'H27'], ['tpm-crb']),
    unprotected(firmware, ['fw_cfg_io']),
    unprotected(unnamed, ['EPYC-Milan-x86_64-cpu', 'i8257', 'isa-i8259', 'isa-pcspk', 'isa-pit', 'kvmvapic', 'port92']),
  ],
}

const global = '8be4df61-93ca-11d2-aa0d-00e098032b8c'
const loader = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f'

const ofVendor = (vendor: string, names: string): string[] => under('', names).map((name) => `${name}-${vendor}`)

export const uefiVariables: Section = {
  id: 'uefi-variables',
  title: 'UEFI variables',
  about: 'In `/sys/firmware/efi/efivars` of a running VM. The store is part of the guest state.',
  rows: [
    measured(
      'PCR 7; each boot gets the variables that the guest state has',
      'measured-boot',
      ['B4', 'H15'],
      [
        ...ofVendor(global, 'KEK PK SecureBoot SetupMode SignatureSupport VendorKeys'),
        ...under(
          '',
          'certdb-d9bee56e-75dc-49d9-b4d7-b534210f637a certdbv-d9bee56e-75dc-49d9-b4d7-b534210f637a ' +
            'db-d719b2cb-3d3a-4596-a3bc-dad00e67656f dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f ' +
            'StrongroomState-5a1e0000-0000-4000-8000-000000000db2',
        ),
      ],
    ),
    authenticated(
      'paravisor, which compares the store before the machine runs',
      ['H36', 'H43'],
      ['StrongroomEndorsementKey-5a1e0000-0000-4000-8000-0000000000ec'],
    ),
    measured('PCR 1', 'measured-boot', tables, ofVendor(global, 'Boot0000 Boot0001 BootOrder')),
    measured(
      'PCRs 4 and 11: made by the measured firmware, loader and stub',
      'measured-boot',
      ['B4', 'B9'],
      [
        ...ofVendor(global, 'BootCurrent BootOptionSupport OsIndicationsSupported'),
        ...under('Loader', 'DevicePartUUID FirmwareInfo FirmwareType ImageIdentifier').map(
          (name) => `${name}-${loader}`,
        ),
        ...under('Stub', 'DevicePartUUID Features ImageIdentifier Info PcrKernelImage Profile').map(
          (name) => `${name}-${loader}`,
        ),
      ],
    ),
    authenticated(
      'guest state’s data key, and the counter in the vault',
      ['V9', 'H10'],
      [
        ...ofVendor(global, 'ConIn ConInDev ConOut ConOutDev ErrOut ErrOutDev Key0000 Key0001 Lang LangCodes'),
        ...ofVendor(global, 'PlatformLang PlatformLangCodes PlatformRecovery0000 Timeout'),
        ...under(
          '',
          'MTC-eb704011-1402-11d3-8e77-00a0c969723b ' +
            'MemoryOverwriteRequestControl-e20939be-32d4-41be-a150-897f85d49829 ' +
            'MemoryOverwriteRequestControlLock-bb983ccf-151d-40e1-a07b-4a17be168292 ' +
            'VMMBootOrder0000-668f4529-63d0-4bb5-b65d-6fbb9d36a44a ' +
            'VarErrorFlag-04b37fe8-f6ae-480b-bdd5-37d98c5e89aa',
        ),
      ],
    ),
  ],
}
