import { mkdir, open, readdir, stat, type FileHandle } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize } from 'node:path'
import { encodeFrame, pieceBytes, type Frame } from './frames.ts'

/** Of a running server, or made again: not part of a backup. Stores are copied as databases, the root key as itself. */
const leftOut = [
  /^server\.(json|log.*)$/,
  /^run$/,
  /^public-names\./,
  /^root-key\.json$/,
  /^disk-access$/,
  /^drill$/,
  /\.db(-wal|-shm)?$/,
  /\.partial$/,
]
/** Disks and guest states. */
const ofVms = ['machines', 'disks', 'fleet']

/** Paths of the files to back up, relative to the state directory. */
export async function* stateFiles(stateDir: string, o: { disks: boolean }): AsyncGenerator<string> {
  for (const name of (await readdir(stateDir)).toSorted()) {
    if (leftOut.some((each) => each.test(name)) || (!o.disks && ofVms.includes(name))) continue
    yield* filesUnder(stateDir, name)
  }
}

async function* filesUnder(stateDir: string, path: string): AsyncGenerator<string> {
  const found = await stat(join(stateDir, path)).catch(() => undefined)
  if (found?.isFile() === true) yield path
  if (found?.isDirectory() !== true) return
  for (const name of (await readdir(join(stateDir, path))).toSorted())
    if (!name.endsWith('.partial')) yield* filesUnder(stateDir, join(path, name))
}

/** The frames of one file; what is zero is left out. @param as its path in the backup */
export async function* fileFrames(path: string, as: string): AsyncGenerator<Buffer> {
  const file = await open(path, 'r')
  try {
    const { mode, size } = await file.stat()
    yield encodeFrame({ kind: 'file', path: as, mode: mode & 0o777, size })
    for (let offset = 0; offset < size; offset += pieceBytes) {
      const length = Math.min(pieceBytes, size - offset)
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset)
      const bytes = buffer.subarray(0, bytesRead)
      if (!bytes.every((each) => each === 0)) yield encodeFrame({ kind: 'piece', offset }, bytes)
    }
  } finally {
    await file.close()
  }
}

/** Writes the files of a backup into a directory. */
export class StateWriter {
  readonly #directory: string
  #file: FileHandle | undefined
  files = 0

  constructor(directory: string) {
    this.#directory = directory
  }

  async begin({ path, mode, size }: Extract<Frame, { kind: 'file' }>): Promise<void> {
    await this.end()
    const way = normalize(path)
    if (isAbsolute(way) || way.startsWith('..')) throw new TypeError(`a backup has a file outside: ${path}`)
    const target = join(this.#directory, way)
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    this.#file = await open(target, 'wx', mode)
    await this.#file.truncate(size)
    this.files += 1
  }

  async piece(offset: number, bytes: Buffer): Promise<void> {
    if (this.#file === undefined) throw new TypeError('a backup has bytes before its first file')
    await this.#file.write(bytes, 0, bytes.length, offset)
  }

  async end(): Promise<void> {
    await this.#file?.sync()
    await this.#file?.close()
    this.#file = undefined
  }
}
