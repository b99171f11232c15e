/** A kernel initrd archive ("newc", Documentation/driver-api/early-userspace/buffer-format.rst). */
export function cpio(files: Record<string, { mode: number; content: Uint8Array | string }>): Buffer {
  const entries = [...Object.entries(files), ['TRAILER!!!', { mode: 0, content: '' }] as const]
  return Buffer.concat(entries.flatMap(([name, { mode, content }], index) => entry(index + 1, name, mode, content)))
}

function entry(inode: number, name: string, mode: number, given: Uint8Array | string): Buffer[] {
  const content = Buffer.from(given as string)
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0]
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`
  return [padded(Buffer.from(header, 'latin1')), padded(content)]
}

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
