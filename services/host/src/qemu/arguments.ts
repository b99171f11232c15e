import type { GuestInterface } from '@strongroom/contract'
import type { MachineDisk } from '../disks/disk-driver.ts'
import { furtherInterfaceArguments } from './further-interface.ts'
import { cloudInitPath, networkArgument, guestAddresses, type Doors } from './guest-network.ts'
import { controlArguments } from './descriptors.ts'
import { nbdArguments, scsiArguments, type ScsiDisk } from './scsi-disks.ts'

export type Acceleration = 'kvm' | 'tcg'

interface GuestNetwork {
  macAddress: string
  /** Interfaces other than the primary one. */
  interfaces?: GuestInterface[]
  /** Port on 127.0.0.1 that leads to the guest's SSH. */
  sshPort: number
  doors: Doors
}

/** Of QEMU 10.0: the ACPI tables that verifiers compute are of this type, whatever the installed QEMU defaults to. */
const machineType = 'pc-q35-10.0'

/** Files by name; HandedFiles replaces them with QEMU's names for them. */
export interface MachineOptions {
  name: string
  /** Upper-case GUID. */
  vmId: string
  acceleration: Acceleration
  cpuModel: string
  vCPUs: number
  memoryMiB: number
  firmware: string
  variables: string
  disk: MachineDisk
  dataDisks: ScsiDisk[]
  /** File of the disk that lives only for this boot. */
  temporaryDisk?: string
  /** Absent if the VM has no vTPM. */
  tpmSocket?: string
  /** An open /dev/kvm. */
  kvm?: string
  /** File or FIFO. */
  serialLog: string
  network: GuestNetwork
}

/** Commas separate options in QEMU's arguments and are doubled inside a value. */
const value = (text: string): string => text.replaceAll(',', ',,')

/** Arguments of qemu-system-x86_64 for one VM. Without secrets: any user can read another process's arguments. */
export function machineArguments(o: MachineOptions): string[] {
  return [
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
    // Until the firmware was compared with what was measured.
    '-S',
    '-name',
    `guest=${value(o.name)},debug-threads=off`,
    '-uuid',
    o.vmId.toLowerCase(),
    // Where cloud-init finds its data, in images that have it.
    '-smbios',
    `type=1,serial=ds=nocloud;s=http://${guestAddresses.metadata}${cloudInitPath}/`,
    '-machine',
    // QEMU's core files exclude the guest's memory (FAQ S9). Disks are virtio: no other disk controllers to probe, or to attack.
    `${machineType},smm=on,vmport=off,sata=off,smbus=off,dump-guest-core=off`,
    '-accel',
    o.acceleration === 'kvm' ? `kvm${o.kvm === undefined ? '' : `,device=${o.kvm}`}` : 'tcg,thread=multi',
    '-cpu',
    // No nested virtual machines (FAQ S26).
    `${o.cpuModel},svm=off,vmx=off`,
    '-smp',
    String(o.vCPUs),
    '-m',
    `${o.memoryMiB}M`,
    // Only firmware in SMM can write the variables; S3 would let the guest resume past it.
    '-global',
    'driver=cfi.pflash01,property=secure,value=on',
    '-global',
    'ICH9-LPC.disable_s3=1',
    '-drive',
    `if=pflash,unit=0,format=raw,readonly=on,file=${value(o.firmware)}`,
    '-drive',
    // By default QEMU uses a read-only descriptor.
    `if=pflash,unit=1,format=raw,auto-read-only=off,file=${value(o.variables)}`,
    ...(o.tpmSocket === undefined ? [] : tpmArguments(o.tpmSocket)),
    '-blockdev',
    osDisk(o.disk),
    '-blockdev',
    'driver=raw,node-name=os,file=os-file,discard=unmap',
    '-device',
    'virtio-blk-pci,drive=os,bootindex=1',
    ...scsiArguments(o),
    '-chardev',
    // A FIFO cannot be truncated, which QEMU tries without `append`.
    `file,id=serial,append=on,path=${value(o.serialLog)}`,
    '-serial',
    'chardev:serial',
    ...controlArguments,
    '-netdev',
    networkArgument(o.network),
    '-device',
    `virtio-net-pci,netdev=net,mac=${o.network.macAddress.replaceAll('-', ':').toLowerCase()},romfile=`,
    ...furtherInterfaceArguments(o.network.interfaces ?? []),
    // A guest that powers off stays paused until its registers were read; one that reboots goes through the paravisor again.
    '-action',
    'shutdown=pause,reboot=shutdown',
  ]
}

const osDisk = (disk: MachineDisk): string =>
  typeof disk === 'string'
    ? `driver=file,node-name=os-file,filename=${value(disk)},discard=unmap,cache.direct=off`
    : `${nbdArguments(disk.nbd, 'os')},node-name=os-file`

const tpmArguments = (socket: string): string[] => [
  '-chardev',
  `socket,id=tpm,path=${value(socket)}`,
  '-tpmdev',
  'emulator,id=vtpm,chardev=tpm',
  '-device',
  'tpm-crb,tpmdev=vtpm',
]
