import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { guestFirmwarePath } from '@strongroom/contract'
import { hardenFirmware, isHardenedFrom } from './harden.ts'

/** For what can be rebuilt. From STRONGROOM_CACHE_DIR, else the XDG base directories. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const { STRONGROOM_CACHE_DIR, XDG_CACHE_HOME, HOME = homedir() } = env
  const base = XDG_CACHE_HOME?.startsWith('/') === true ? XDG_CACHE_HOME : join(HOME, '.cache')
  return resolve(STRONGROOM_CACHE_DIR ?? join(base, 'strongroom'))
}

/** The flash file that guests' firmware is built from: STRONGROOM_FIRMWARE, or Debian's. */
export function firmwarePath(env: NodeJS.ProcessEnv = process.env): string {
  return env['STRONGROOM_FIRMWARE'] ?? guestFirmwarePath
}

/** Builds in progress, by digest: two boots at once build it once. */
const making = new Map<string, Promise<Uint8Array>>()

/**
 * The firmware that guests are launched with: a flash file's, hardened. Its launch measurement covers
 * these bytes. Building it takes seconds, so it is cached by its source's digest.
 * @param path default: `firmwarePath()`
 * @throws FirmwareError; errors of readFile
 */
export async function guestFirmware(path: string = firmwarePath()): Promise<Uint8Array> {
  const source = await readFile(path)
  const digest = createHash('sha256').update(source).digest('hex')
  const made = making.get(digest) ?? kept(source, digest).finally(() => making.delete(digest))
  making.set(digest, made)
  return Uint8Array.from(await made)
}

/** Digests that this process has compared with their source. */
const genuine = new Set<string>()

/** A verifier shares the cache with the host's operator: its content is compared once, and rebuilt if it differs. */
async function isGenuine(firmware: Uint8Array, source: Uint8Array): Promise<boolean> {
  const digest = createHash('sha256').update(source).update(firmware).digest('hex')
  if (!genuine.has(digest) && !(await isHardenedFrom(firmware, source).catch(() => false))) return false
  genuine.add(digest)
  return true
}

/** Increased when the same source yields other firmware. */
const version = 4

async function kept(source: Uint8Array, digest: string): Promise<Uint8Array> {
  const folder = join(cacheDirectory(), 'firmware')
  const path = join(folder, `${digest}-${version}.fd`)
  const there = await readFile(path).catch(() => undefined)
  if (there !== undefined && (await isGenuine(there, source))) return there
  const firmware = await hardenFirmware(source)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const partial = `${path}.${process.pid}`
  await writeFile(partial, firmware, { mode: 0o600 })
  await rename(partial, path)
  return firmware
}
