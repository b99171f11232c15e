import { generateKeyPairSync, sign } from 'node:crypto'
import { formatCheckpoint, formatNoteKey, rootOf, signNote, type NoteKey } from '@strongroom/transparency'
// oxlint-disable-next-line no-restricted-imports
import { fetchOf, treeOf } from '../../../packages/transparency/src/testing.ts'
import type { Page } from 'playwright-core'

/** The log of an attacker who holds a vault's key and its server: arbitrary entries, properly signed. */
export class ForgedLog {
  readonly #origin: string
  #key: NoteKey
  #sign: (message: Uint8Array) => Uint8Array
  entries: Uint8Array[] = []

  constructor(origin: string) {
    this.#origin = origin
    ;[this.#key, this.#sign] = newKey(origin)
  }

  /** Signs with another key from now on. */
  changeKey(): void {
    ;[this.#key, this.#sign] = newKey(this.#origin)
  }

  /** @param names of the operations, one entry each */
  hold(...names: string[]): void {
    const entry = (operation: string): Uint8Array =>
      new TextEncoder().encode(JSON.stringify({ v: 1, at: '2026-11-28T00:00:00Z', operation, verdict: 'allowed' }))
    this.entries = names.map(entry)
  }

  async #answer(path: string): Promise<Uint8Array> {
    const text = (value: string): Uint8Array => new TextEncoder().encode(value)
    if (path === 'key') return text(`${formatNoteKey(this.#key)}\n`)
    if (path !== 'checkpoint') return await fetchOf(this.entries)(path)
    const { frontier } = treeOf(this.entries)
    const checkpoint = { origin: this.#origin, size: this.entries.length, root: rootOf(frontier) }
    return text(signNote(formatCheckpoint(checkpoint), this.#key, this.#sign))
  }

  /** Stands between the page and the vault. */
  async stand(page: Page): Promise<void> {
    await page.route(`**/-/${this.#origin}/**`, async (route) => {
      const path = new URL(route.request().url()).pathname.split('/operationlog/')[1]!
      const body = await this.#answer(path).catch(() => undefined)
      if (body === undefined)
        await route.fulfill({ status: 404, json: { error: { code: 'TileNotFound', message: '' } } })
      else await route.fulfill({ status: 200, body: Buffer.from(body) })
    })
  }
}

function newKey(origin: string): [NoteKey, (message: Uint8Array) => Uint8Array] {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const bytes = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
  return [{ name: origin, publicKey: Uint8Array.from(bytes) }, (message) => sign(null, message, privateKey)]
}
