import { open } from 'node:fs/promises'
import { run } from '@strongroom/platform'

export type DiskFormat = 'raw' | 'qcow2' | 'vpc'

/**
 * Format of a disk file by its own marks, never by its name: VHD (`vpc`) ends with a `conectix` footer, qcow2 begins with
 * its magic, anything that begins with a boot sector is taken as raw. Undefined for everything else.
 */
export async function detectFormat(path: string): Promise<DiskFormat | undefined> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const read = async (offset: number, length: number): Promise<string> => {
      const buffer = Buffer.alloc(length)
      const { bytesRead } = await file.read(buffer, 0, length, Math.max(offset, 0))
      return buffer.toString('latin1', 0, bytesRead)
    }
    if ((await read(0, 4)) === 'QFI\xfb') return 'qcow2'
    if ((await read(size - 512, 8)) === 'conectix') return 'vpc'
    // The protective MBR that a GPT disk begins with.
    return (await read(510, 2)) === '\x55\xaa' ? 'raw' : undefined
  } finally {
    await file.close()
  }
}

/** True when the file tells the reader to open other files: such an image could carry any file of this machine away. */
export async function refersToOtherFiles(path: string, format: DiskFormat): Promise<boolean> {
  if (format !== 'qcow2') return false
  const { stdout } = await run({ command: 'qemu-img', args: ['info', '--output=json', '-f', format, path] })
  const info = JSON.parse(stdout.toString()) as Record<string, unknown>
  const specific = (info['format-specific'] as { data?: Record<string, unknown> } | undefined)?.data
  return info['backing-filename'] !== undefined || specific?.['data-file'] !== undefined
}

/** Writes the disk as a sparse raw file. */
export async function convertToRaw(o: {
  from: string
  format: DiskFormat
  to: string
  signal?: AbortSignal
}): Promise<void> {
  // A VHD's header knows two sizes; Azure's rule is the current size, not cylinders times heads times sectors.
  const source =
    o.format === 'vpc'
      ? ['--image-opts', `driver=vpc,force_size_calc=current_size,file.driver=file,file.filename=${escaped(o.from)}`]
      : ['-f', o.format, o.from]
  await run({
    command: 'qemu-img',
    args: ['convert', '-S', '4k', '-O', 'raw', ...source, o.to],
    ...(o.signal && { signal: o.signal }),
  })
}

/** qemu's option syntax: a comma is written twice. */
function escaped(path: string): string {
  return path.replaceAll(',', ',,')
}
