import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { firmwareListFile, type FirmwareListDocument, type FirmwareSigning } from '@strongroom/contract'
import { firmwarePath } from '@strongroom/firmware'
import { EvidenceError, toHex } from '@strongroom/evidence'
import {
  firmwareListText,
  firmwareListType,
  measureFirmware,
  verifyFirmwareList,
  type FirmwareList,
  type FirmwareRelease,
} from '@strongroom/evidence/expected'
import { createFileAtomically, ServiceError, writeFileAtomically, type Clock } from '@strongroom/platform'
import type { MeasurementKey } from '../image/measurement-key.ts'
import { readFirmware } from '@strongroom/paravisor/expected'
import { releaseOf } from './release-of.ts'

/**
 * The firmware that this installation launches guests with, signed: STATE/firmware-list.jws. An installation's first
 * boot signs what it
 * finds; its operator signs everything later.
 */
export class FirmwareReleases {
  readonly #path: string
  readonly #key: MeasurementKey
  readonly #clock: Clock
  #last: Promise<unknown> = Promise.resolve()

  constructor(o: { stateDir: string; key: MeasurementKey; clock: Clock }) {
    this.#path = join(o.stateDir, firmwareListFile)
    this.#key = o.key
    this.#clock = o.clock
  }

  /** Signs the current firmware if nothing was signed yet. */
  async ensure(): Promise<void> {
    if (await this.#isThere()) return
    await this.#inTurn(async () => {
      if (await this.#isThere()) return
      const releases = await withRelease({}, [])
      const jws = this.#signed({ signedAt: this.#clock.now(), first: true, releases })
      await createFileAtomically(this.#path, Buffer.from(jws))
    })
  }

  /** @throws ServiceError FirmwareListInvalid */
  async document(): Promise<FirmwareListDocument> {
    await this.ensure()
    const jws = await readFile(this.#path, 'utf8')
    await this.#verified(jws)
    const current = await readFirmware().then(
      async (firmware) => toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(firmware)))),
      () => undefined,
    )
    return { jws, ...(current !== undefined && { current }) }
  }

  /**
   * Signs a list with a release; a listed one is replaced with its new description.
   * @throws ServiceError MissingFirmware, FirmwareNotHardened, InvalidRequestContent, FirmwareListInvalid
   */
  async sign(asked: FirmwareSigning): Promise<FirmwareListDocument> {
    return await this.#change(async (releases) => await withRelease(asked, releases))
  }

  /** Signs a list without a release: VMs are no longer launched with it. Idempotent. @throws as `sign` */
  async remove(digest: string): Promise<FirmwareListDocument> {
    return await this.#change(async (releases) => releases.filter(({ sha256 }) => toHex(sha256) !== digest))
  }

  async #change(change: (releases: FirmwareRelease[]) => Promise<FirmwareRelease[]>): Promise<FirmwareListDocument> {
    await this.#inTurn(async () => {
      const jws = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      // A tampered list is never extended.
      const before = jws === undefined ? undefined : await this.#verified(jws)
      // Of two lists the later one counts, whatever the clock shows.
      const signedAt = new Date(Math.max(this.#clock.now().getTime(), (before?.signedAt.getTime() ?? 0) + 1))
      const releases = await change(before?.releases ?? [])
      await writeFileAtomically(this.#path, this.#signed({ signedAt, first: false, releases }))
    })
    return await this.document()
  }

  #signed(list: FirmwareList): string {
    return this.#key.sign(firmwareListText(list), firmwareListType)
  }

  async #verified(jws: string): Promise<FirmwareList> {
    try {
      return await verifyFirmwareList({ jws, keys: [this.#key.publicJwk] })
    } catch (cause) {
      if (!(cause instanceof EvidenceError)) throw cause
      throw new ServiceError({
        code: 'FirmwareListInvalid',
        message: `The list of firmware that guests may be launched with does not count: ${cause.message}.`,
        target: 'firmware',
        expected: cause.expected ?? 'a list signed by the key of this installation',
        found: cause.found ?? 'another',
        remedy: `Restore ${this.#path} from a backup, or remove it and sign what is to be listed: strongroom firmware sign.`,
        cause,
      })
    }
  }

  async #isThere(): Promise<boolean> {
    return await access(this.#path).then(
      () => true,
      () => false,
    )
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined)
    return await done
  }
}

/** A listed release is replaced with its new description. */
async function withRelease(asked: FirmwareSigning, releases: FirmwareRelease[]): Promise<FirmwareRelease[]> {
  const { path = firmwarePath() } = asked
  const measured = await measure(path)
  const named = await releaseOf(path)
  const release = {
    version: asked.version ?? named.version,
    securityVersion: asked.securityVersion ?? Math.max(1, ...releases.map(({ securityVersion }) => securityVersion)),
    builtAt: named.builtAt,
    ...measured,
  }
  return [...releases.filter(({ sha256 }) => toHex(sha256) !== toHex(measured.sha256)), release]
}

async function measure(path: string): ReturnType<typeof measureFirmware> {
  const firmware = await readFirmware(path)
  try {
    return await measureFirmware(firmware)
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause
    throw new ServiceError({
      code: 'InvalidRequestContent',
      message: `The firmware cannot be measured: ${cause.message}.`,
      target: 'path',
      expected: 'a build of OVMF that starts guests of AMD SEV-SNP and Intel TDX',
      found: path,
      cause,
    })
  }
}
