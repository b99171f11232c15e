import { join } from 'node:path'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { startProgram } from '@strongroom/platform'
import { NbdClient } from '../disk/nbd.ts'
import type { ReadDisk } from '../disk/records.ts'
import type { SiteCeph } from './site-ceph.ts'

/** Reads a VM's disk as the cluster's administrator. */
export async function cephDiskOf(ceph: SiteCeph, vmId: string): Promise<{ read: ReadDisk; close(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-ceph-disk-'))
  const socket = join(directory, 'socket')
  const daemon = startProgram({
    command: 'qemu-storage-daemon',
    args: [
      '--blockdev',
      `driver=rbd,node-name=disk,read-only=on,pool=${ceph.pool},namespace=${vmId},image=os-disk,user=admin,conf=${ceph.configuration}`,
      '--nbd-server',
      `addr.type=unix,addr.path=${socket}`,
      '--export',
      'type=nbd,id=os,node-name=disk,name=os',
    ],
    dieWithParent: true,
  })
  let client: NbdClient | undefined
  while (client === undefined && daemon.child.exitCode === null)
    client = await NbdClient.open(socket, 'os').catch(() => undefined)
  if (client === undefined) throw new Error('the disk in Ceph cannot be read')
  const disk = client
  return {
    read: async (offset, length) => await disk.read(offset, length),
    close: async () => {
      disk.close()
      daemon.kill('SIGKILL')
      await daemon.exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}
