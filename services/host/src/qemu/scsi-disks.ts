import { fdSetOf, fdSetPath } from './descriptors.ts'

/** A disk attached at a LUN. */
export interface ScsiDisk {
  /** 0 to 63. */
  lun: number
  /** Of its file; of the unix socket of an NBD server with the export `data` if `nbd` is set. */
  path: string
  nbd?: true
  /** 1 to 36 printable characters: the disk's serial number and id in the guest. */
  serial: string
}

/** Commas separate options in QEMU's arguments and are doubled inside a value. */
const value = (text: string): string => text.replaceAll(',', ',,')

/** Azure's layout: data disks at target 0 of the controller by LUN, the temporary disk at target 1. */
const targets = { data: 0, temporary: 1 } as const

export const deviceOf = (lun: number): string => `data-${lun}`

/**
 * The controller of data disks and the temporary disk, which every VM has so that disks can come and go while it runs.
 * The OS disk is not behind it, and the firmware is configured to boot only that one: no disk here can replace it.
 */
export function scsiArguments(o: { dataDisks: ScsiDisk[]; temporaryDisk?: string }): string[] {
  return [
    '-device',
    'virtio-scsi-pci,id=scsi',
    ...o.dataDisks.flatMap((disk) => [
      ...blockArguments(deviceOf(disk.lun), disk),
      '-device',
      `scsi-hd,id=${deviceOf(disk.lun)},bus=scsi.0,channel=0,scsi-id=${targets.data},lun=${disk.lun},` +
        `drive=${deviceOf(disk.lun)},serial=${value(disk.serial)},device_id=${value(disk.serial)}`,
    ]),
    ...(o.temporaryDisk === undefined
      ? []
      : [
          ...blockArguments('temporary', { path: o.temporaryDisk }),
          '-device',
          `scsi-hd,id=temporary,bus=scsi.0,channel=0,scsi-id=${targets.temporary},lun=0,drive=temporary`,
        ]),
  ]
}

const blockArguments = (node: string, { path, nbd }: Pick<ScsiDisk, 'path' | 'nbd'>): string[] => [
  '-blockdev',
  nbd
    ? `${nbdArguments(path, 'data')},node-name=${node}-file`
    : `driver=file,node-name=${node}-file,filename=${value(path)},discard=unmap`,
  '-blockdev',
  `driver=raw,node-name=${node},file=${node}-file,discard=unmap`,
]

/** Until a server is back, in seconds: a restarted one is within its hosts' lease. */
const reconnectDelay = 10

export const nbdArguments = (socket: string, name: 'os' | 'data'): string =>
  `driver=nbd,server.type=unix,server.path=${value(socket)},export=${name},reconnect-delay=${reconnectDelay},discard=unmap`

/** The QMP commands, in order, that attach a disk to a running guest after its file, if it is one, was passed to QEMU. */
export function plugCommands(disk: ScsiDisk): [command: string, args: Record<string, unknown>][] {
  const node = deviceOf(disk.lun)
  return [
    ['blockdev-add', { ...sourceOf(disk), 'node-name': `${node}-file`, discard: 'unmap' }],
    ['blockdev-add', { driver: 'raw', 'node-name': node, file: `${node}-file`, discard: 'unmap' }],
    [
      'device_add',
      {
        driver: 'scsi-hd',
        id: node,
        bus: 'scsi.0',
        channel: 0,
        'scsi-id': targets.data,
        lun: disk.lun,
        drive: node,
        serial: disk.serial,
        device_id: disk.serial,
      },
    ],
  ]
}

const sourceOf = ({ lun, path, nbd }: ScsiDisk): Record<string, unknown> =>
  nbd
    ? { driver: 'nbd', server: { type: 'unix', path }, export: 'data', 'reconnect-delay': reconnectDelay }
    : { driver: 'file', filename: fdSetPath(fdSetOf(lun)) }
