import { createHash } from 'node:crypto'
import { mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  bundleDirectories,
  manifestFile,
  stampOf,
  type BundleManifest,
  type BundleName,
} from '../apps/cli/src/bundle/manifest.ts'

export const root: string = resolve(import.meta.dirname, '..')
/** A file's times advance by the tick of the kernel's clock. */
const tickMilliseconds = 20

/** A program's name in its bundle: another content has another name, so that a running one keeps its file. */
export function programFile(source: string, content: Uint8Array, extension: string): string {
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 16)
  return `${source.replace(/\.ts$/, '')}-${hash}.${extension}`
}

/** The file appears whole or not at all. */
function place(directory: string, name: string, content: string | Uint8Array): void {
  const partial = join(directory, `${name}.${process.pid}`)
  writeFileSync(partial, content)
  renameSync(partial, join(directory, name))
}

/**
 * Writes a bundle, its manifest last. @param o.begun when its inputs had not been read yet
 * @throws Error if one of them changed since
 */
export function placeBundle(o: {
  bundle: BundleName
  begun: number
  programs: Record<string, string>
  files: Record<string, string | Uint8Array>
  inputs: readonly string[]
}): void {
  const inputs = [...new Set(o.inputs)]
  const changed = inputs.filter((file) => statSync(join(root, file)).ctimeMs > o.begun - tickMilliseconds)
  if (changed.length > 0) throw new Error(`changed while the bundle was made: ${changed.join(', ')}`)
  const directory = join(root, bundleDirectories[o.bundle])
  mkdirSync(directory, { recursive: true })
  for (const [name, content] of Object.entries(o.files)) place(directory, name, content)
  const manifest: BundleManifest = {
    programs: o.programs,
    inputs: Object.fromEntries(inputs.map((file) => [file, stampOf(join(root, file))])),
  }
  place(directory, manifestFile, JSON.stringify(manifest))
}
