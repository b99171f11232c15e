import { gunzipSync, type Gunzip as Stream } from 'node:zlib'
import type { Gunzip } from '@strongroom/evidence/files'

/** Node's, limited in length before memory is allocated, and requiring the end of the bytes: anything after a stream would go unseen. */
export const gunzip: Gunzip = (bytes, maximum) => {
  if (maximum < 1) return undefined
  try {
    // With `info` the result includes the engine, which knows how many bytes it consumed.
    const answer = gunzipSync(bytes, { maxOutputLength: maximum, info: true }) as unknown
    const { buffer, engine } = answer as { buffer: Uint8Array; engine: Stream }
    return engine.bytesWritten === bytes.length ? new Uint8Array(buffer) : undefined
  } catch {
    return undefined
  }
}

/** For all files of one command: together they yield at most this many bytes. */
export function gunzipUpTo(most: number): Gunzip {
  let left = most
  return (bytes, maximum) => {
    const unpacked = gunzip(bytes, Math.min(left, maximum))
    left -= unpacked?.length ?? 0
    return unpacked
  }
}
