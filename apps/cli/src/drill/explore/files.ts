import { copyFile, lstat, open, readdir, readFile, rename, rm, symlink, truncate } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { copyRange } from '../payload/root.ts'
import type { Choices } from './choices.ts'
import type { Mutation, Operation } from './mutation.ts'

const block = 4096
const mebibyte = 1024 ** 2

/** Installations of a life: the copy, how it was before its last boot, and the VMs' identifiers. */
export interface FilePlace {
  stateDir: string
  original: string
  /** For what is moved away. */
  scratch: string
  vmId: string
  otherId?: string | undefined
}

/** Paths below an installation that are files, with the VM as `VM`, without the drill's own and other VMs'. */
export async function listFiles({
  stateDir,
  vmId,
  otherId,
}: Omit<FilePlace, 'scratch' | 'original'>): Promise<string[]> {
  const found: string[] = []
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (path === join(stateDir, 'drill') || (otherId !== undefined && entry.name === otherId)) continue
      if (entry.isDirectory()) await visit(path)
      else if (entry.isFile()) found.push(relative(stateDir, path).replaceAll(vmId, 'VM'))
    }
  }
  await visit(stateDir)
  return found.toSorted()
}

const operations: readonly Operation[] = [
  'flip',
  'flip',
  'cut',
  'empty',
  'drop',
  'double',
  'move',
  'link',
  'older',
  'other',
]

/** One change of one file; the VM's own are as probable as all others. */
export function drawFile(choices: Choices, files: readonly string[]): Mutation {
  const own = files.filter((file) => file.includes('VM'))
  const target = choices.pickNamed(own.length > 0 && choices.chance(0.5) ? own : files, (file) => file)
  const operation = choices.pick(operations)
  const placed = operation === 'flip' || operation === 'cut' || operation === 'move'
  return { kind: 'files', target, operation, ...(placed && { place: choices.place() }) }
}

/** @throws Error if the file, or the one in its place, does not exist */
export async function changeFile(place: FilePlace, { target, operation, place: at = 0 }: Mutation): Promise<void> {
  const { stateDir, vmId, otherId } = place
  const path = join(stateDir, target.replaceAll('VM', vmId))
  const status = await lstat(path)
  if (!status.isFile()) throw new Error(`${target} is no file`)
  const { size } = status
  if (operation === 'flip') return await flip(path, await dataAt(path, Math.floor(at * size), size))
  if (operation === 'cut') return await truncate(path, Math.floor(at * size))
  if (operation === 'empty') return await truncate(path, 0)
  if (operation === 'drop') return await rm(path)
  if (operation === 'double')
    return await copyRange({ from: path, fromOffset: 0, length: Math.min(size, mebibyte), to: path, toOffset: size })
  if (operation === 'move') return await exchangeBlocks(path, { at, size })
  if (operation === 'link') {
    const away = join(place.scratch, `moved-${basename(path)}`)
    await rename(path, away)
    return await symlink(away, path)
  }
  const source =
    operation === 'older'
      ? join(place.original, target.replaceAll('VM', vmId))
      : join(stateDir, target.replaceAll('VM', otherId ?? vmId))
  if (source === path || !existsSync(source) || (await areSame(source, path)))
    throw new Error(`there is no ${operation} ${target}`)
  await rm(path)
  await copySparse(source, path, status.mode)
}

/** A boot leaves most files as they were; of long ones the time of change tells. */
async function areSame(one: string, other: string): Promise<boolean> {
  const [first, second] = [await lstat(one), await lstat(other)]
  if (first.size !== second.size) return false
  return first.size > 16 * mebibyte
    ? first.mtimeMs === second.mtimeMs
    : (await readFile(one)).equals(await readFile(other))
}

/** Of a file that is mostly holes, data alone. */
async function copySparse(from: string, to: string, mode: number): Promise<void> {
  const { size } = await lstat(from)
  if (size <= mebibyte) await copyFile(from, to)
  else await copyRange({ from, fromOffset: 0, length: size, to, toOffset: 0 })
  const file = await open(to, 'r+')
  await file.chmod(mode & 0o777)
  await file.close()
}

/** The first place from `offset` on, in steps of a mebibyte, whose block has data; `offset` itself if none has. */
async function dataAt(path: string, offset: number, size: number): Promise<number> {
  const file = await open(path, 'r')
  try {
    const buffer = Buffer.alloc(block)
    for (let step = 0; step * mebibyte < size; step++) {
      const at = (offset + step * mebibyte) % Math.max(1, size)
      const { bytesRead } = await file.read(buffer, 0, block, at)
      const data = buffer.subarray(0, bytesRead).findIndex((byte) => byte !== 0)
      if (data >= 0) return at + data
    }
    return offset
  } finally {
    await file.close()
  }
}

async function flip(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, offset)
    await file.write(Buffer.of(byte[0]! ^ 1), 0, 1, offset)
  } finally {
    await file.close()
  }
}

/** Two blocks of the file in each other's place; of a file of one block its two halves. */
async function exchangeBlocks(path: string, { at, size }: { at: number; size: number }): Promise<void> {
  const length = size >= 2 * block ? block : Math.floor(size / 2)
  if (length === 0) throw new Error('the file is too short')
  const blocks = Math.floor(size / length)
  const start = async (place: number): Promise<number> => {
    const found = await dataAt(path, Math.floor(place * blocks) * length, size)
    return Math.min(Math.floor(found / length), blocks - 1) * length
  }
  const first = await start(at)
  const second = await start((at + 0.5) % 1)
  if (first === second) throw new Error('the file has no second block')
  const file = await open(path, 'r+')
  try {
    const [one, other] = [Buffer.alloc(length), Buffer.alloc(length)]
    await file.read(one, 0, length, first)
    await file.read(other, 0, length, second)
    await file.write(one, 0, length, second)
    await file.write(other, 0, length, first)
  } finally {
    await file.close()
  }
}
