import { constants } from 'node:fs'
import { chmod, copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { BackupManifest, ImageRecord } from '@strongroom/contract'
import { backupChunk } from '@strongroom/contract/backup-manifest'
import { imageFiles } from '@strongroom/paravisor/expected'
import { chunkDigests, sha256Of } from '../restores/chunks.ts'

const besideImage = [
  ['boot.efi', imageFiles.boot],
  ['db.pem', imageFiles.certificates],
] as const

/** Files of a VM's latest backup, in its folder. The copies of its disks stay, for the next one. */
export class BackupFolder {
  readonly #directory: string
  /** What can be fetched, by name. */
  readonly #files: Map<string, string>

  constructor(directory: string, files: Map<string, string>) {
    this.#directory = directory
    this.#files = files
  }

  async make(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
  }

  at(name: string): string {
    return join(this.#directory, name)
  }

  async keep(name: string, bytes: Uint8Array): Promise<void> {
    await rm(this.at(name), { force: true })
    await writeFile(this.at(name), bytes, { mode: 0o600 })
    this.#files.set(name, this.at(name))
  }

  /** The copies of disks at NAME.raw, as the manifest has them; keeps their digests. */
  async hashDisks(disks: readonly { name: string }[], signal: AbortSignal): Promise<BackupManifest['disks']> {
    const hashed: BackupManifest['disks'] = []
    for (const { name } of disks) {
      const path = this.at(`${name}.raw`)
      const digests = await chunkDigests(path, signal)
      const { size } = await stat(path)
      hashed.push({ name, sizeBytes: size, chunkBytes: backupChunk, digest: sha256Of(digests) })
      this.#files.set(`${name}.raw`, path)
      await this.keep(`${name}.digests`, digests)
    }
    return hashed
  }

  /** What predicts the registers of the VM's boots elsewhere. */
  async keepImage(image: ImageRecord): Promise<{ name: 'boot.efi' | 'db.pem'; bytes: number; sha256: string }[]> {
    const kept: { name: 'boot.efi' | 'db.pem'; bytes: number; sha256: string }[] = []
    for (const [name, of] of besideImage) {
      await rm(this.at(name), { force: true })
      await copyFile(join(dirname(image.path), of), this.at(name), constants.COPYFILE_FICLONE)
      await chmod(this.at(name), 0o600)
      const bytes = await readFile(this.at(name))
      kept.push({ name, bytes: bytes.length, sha256: sha256Of(bytes) })
      this.#files.set(name, this.at(name))
    }
    return kept
  }
}
