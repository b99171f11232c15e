import { ServiceError } from '@strongroom/platform'

/** Before each piece of a backup's content. */
export type Frame =
  /** 32 bytes. */
  | { kind: 'root-key' }
  | { kind: 'file'; path: string; mode: number; size: number }
  /** Bytes of the file before; what no piece has is zero. */
  | { kind: 'piece'; offset: number }
  | { kind: 'end'; files: number }

const longestFrame = 64 * 1024
/** A piece is no longer. */
export const pieceBytes = 1024 * 1024

/** Lengths of the frame's description (as JSON) and of its bytes, both, and both of them. */
export function encodeFrame(frame: Frame, bytes: Uint8Array = new Uint8Array()): Buffer {
  const text = Buffer.from(JSON.stringify(frame))
  const lengths = Buffer.alloc(8)
  lengths.writeUInt32BE(text.length, 0)
  lengths.writeUInt32BE(bytes.length, 4)
  return Buffer.concat([lengths, text, bytes])
}

/** @param chunks authentic bytes @throws ServiceError BackupNotRead */
export async function* decodeFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<{ frame: Frame; bytes: Buffer }> {
  let pending = Buffer.alloc(0)
  for await (const chunk of chunks) {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      if (pending.length < 8) break
      const [text, bytes] = [pending.readUInt32BE(0), pending.readUInt32BE(4)]
      if (text > longestFrame || bytes > pieceBytes) throw malformed(`a piece of ${text} and ${bytes} bytes`)
      const end = 8 + text + bytes
      if (pending.length < end) break
      yield {
        frame: JSON.parse(pending.subarray(8, 8 + text).toString('utf8')) as Frame,
        bytes: pending.subarray(8 + text, end),
      }
      pending = pending.subarray(end)
    }
  }
  if (pending.length > 0) throw malformed('bytes behind its end')
}

const malformed = (found: string): ServiceError =>
  new ServiceError({
    code: 'BackupNotRead',
    message: 'The content of the backup is malformed, although its key is right.',
    expected: 'the pieces that this version or the one before writes',
    found,
    remedy: 'Restore it with the version of Strongroom that made it.',
  })
