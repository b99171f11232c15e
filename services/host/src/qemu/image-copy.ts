import type { Socket } from 'node:net'
import { ProgramError, storageFull, type OwnedProcess, freshUser } from '@strongroom/platform'
import { makeEmpty } from '../disks/sparse.ts'
import { controlArguments } from './descriptors.ts'
import { launchQemu } from './launch.ts'
import { Qmp, type QmpEvent } from './qmp.ts'

interface BlockNode {
  'node-name': string
  image: { 'virtual-size': number }
}

const value = (text: string): string => text.replaceAll(',', ',,')

/**
 * Writes an image's content as a sparse raw file. The image's author controls every byte that the format's reader
 * parses, so this is a QEMU under its seccomp filter, as a user for this copy only, with both files passed to it
 * (qemu-img has neither).
 * @throws ProgramError if QEMU cannot read the image
 * @throws ServiceError StorageFull, MissingProgram
 */
export async function copyImage(o: {
  from: string
  format: 'qcow2' | 'vpc'
  /** New, or replaced. */
  to: string
  signal?: AbortSignal
}): Promise<void> {
  o.signal?.throwIfAborted()
  await makeEmpty(o.to, 0)
  const qemu = await launchQemu({
    user: freshUser(),
    log: 'pipe',
    args: async (files) => {
      const [from, to] = [await files.hand(o.from, 'r'), await files.hand(o.to, 'r+')]
      // A VHD's header has two sizes; Azure uses the current size, not cylinders times heads times sectors.
      const size = o.format === 'vpc' ? 'force_size_calc=current_size,' : ''
      return [
        '-nodefaults',
        '-no-user-config',
        '-display',
        'none',
        '-machine',
        'none',
        '-drive',
        `if=none,id=image,node-name=from,read-only=on,driver=${o.format},${size}file.driver=file,file.filename=${value(from)}`,
        '-blockdev',
        `driver=file,node-name=to-file,filename=${value(to)},discard=unmap`,
        '-blockdev',
        'driver=raw,node-name=to,file=to-file,discard=unmap,detect-zeroes=unmap',
        ...controlArguments,
      ]
    },
  })
  const stop = (): void => void qemu.kill('SIGKILL')
  o.signal?.addEventListener('abort', stop, { once: true })
  let said = ''
  qemu.child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)))
  try {
    await mirror(qemu)
  } catch (error) {
    o.signal?.throwIfAborted()
    qemu.kill('SIGKILL')
    const { code } = await qemu.exited
    const reason = error instanceof Error ? error.message : String(error)
    const failure = new ProgramError({ command: 'qemu-system-x86_64', args: [], code, stderr: said, reason })
    throw reason.includes('No space left on device') ? storageFull({ cause: failure }) : failure
  } finally {
    o.signal?.removeEventListener('abort', stop)
    qemu.kill('SIGKILL')
    await qemu.exited
  }
}

/** Makes QEMU copy one node into the other: zeros become holes. */
async function mirror(qemu: OwnedProcess): Promise<void> {
  let finish: (error?: Error) => void = () => {}
  const finished = new Promise<Error | undefined>((resolve) => (finish = resolve))
  void qemu.exited.then(() => finish(new Error('ended before all was copied')))
  const listener = ({ event, data }: QmpEvent): void => {
    // Everything is copied; from here on QEMU would copy further writes to the source.
    if (event === 'BLOCK_JOB_READY')
      qmp.execute('block-job-cancel', { device: 'copy' }).catch((error: Error) => finish(error))
    if (event === 'BLOCK_JOB_COMPLETED' || event === 'BLOCK_JOB_CANCELLED')
      finish(data?.['error'] === undefined ? undefined : new Error(JSON.stringify(data['error'])))
  }
  const qmp = await Qmp.begin({ socket: qemu.child.stdio[3] as Socket, listener })
  const nodes = (await qmp.execute('query-named-block-nodes', { flat: true })) as BlockNode[]
  const from = nodes.find((node) => node['node-name'] === 'from')
  if (from === undefined) throw new Error('QEMU has no such node')
  await qmp.execute('block_resize', { 'node-name': 'to', size: from.image['virtual-size'] })
  await qmp.execute('blockdev-mirror', { 'job-id': 'copy', device: 'from', target: 'to', sync: 'full' })
  const error = await finished
  if (error !== undefined) throw error
}
