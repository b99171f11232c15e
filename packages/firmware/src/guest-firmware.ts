import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { guestFirmwarePath } from '@strongroom/contract'
import { isMadeFrom, withoutKernelLoader } from './kernel-loader.ts'

/** What can be made again. By STRONGROOM_CACHE_DIR, else by the XDG base directories. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const { STRONGROOM_CACHE_DIR, XDG_CACHE_HOME, HOME = homedir() } = env
  const base = XDG_CACHE_HOME?.startsWith('/') === true ? XDG_CACHE_HOME : join(HOME, '.cache')
  return resolve(STRONGROOM_CACHE_DIR ?? join(base, 'strongroom'))
}

/** Being made, by digest: two boots at once make it once. */
const making = new Map<string, Promise<Uint8Array>>()

/**
 * The firmware that guests are launched with: that of a flash file without its kernel loader. Its launch measurement is of these
 * bytes. Making it takes seconds, so it is kept in the cache, by the digest of what it is made from.
 * @param path default: Debian's
 * @throws FirmwareError; what readFile throws
 */
export async function guestFirmware(path: string = guestFirmwarePath): Promise<Uint8Array> {
  const source = await readFile(path)
  const digest = createHash('sha256').update(source).digest('hex')
  const made = making.get(digest) ?? kept(source, digest).finally(() => making.delete(digest))
  making.set(digest, made)
  return Uint8Array.from(await made)
}

/** Digests of what this process has compared with its source. */
const genuine = new Set<string>()

/** A verifier shares the cache with who runs the host: what lies there is compared, once, and made again where it differs. */
async function isGenuine(firmware: Uint8Array, source: Uint8Array): Promise<boolean> {
  const digest = createHash('sha256').update(source).update(firmware).digest('hex')
  if (!genuine.has(digest) && !(await isMadeFrom(firmware, source).catch(() => false))) return false
  genuine.add(digest)
  return true
}

/** Goes up when the same source gives other firmware. */
const version = 2

async function kept(source: Uint8Array, digest: string): Promise<Uint8Array> {
  const folder = join(cacheDirectory(), 'firmware')
  const path = join(folder, `${digest}-${version}.fd`)
  const there = await readFile(path).catch(() => undefined)
  if (there !== undefined && (await isGenuine(there, source))) return there
  const firmware = await withoutKernelLoader(source)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const partial = `${path}.${process.pid}`
  await writeFile(partial, firmware, { mode: 0o600 })
  await rename(partial, path)
  return firmware
}
