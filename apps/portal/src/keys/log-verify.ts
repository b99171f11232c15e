import { vaultHost } from '@strongroom/contract'
import {
  auditLog,
  checkConsistency,
  openCheckpoint,
  parseNoteKey,
  provenEntry,
  toBase64,
  TransparencyError,
  type Checkpoint,
  type Fetch,
} from '@strongroom/transparency'
import { tokenFor } from '../wire/session.ts'
import { KeptDamaged } from '../kept/kept.ts'
import { ask } from '../wire/ask.ts'
import { WireError } from '../wire/wire-error.ts'
import { keepHead, readHead, type Distrust } from './log-head.ts'
import { audienceOf } from './vaults.ts'

/** The chunk that verifies operations logs: loaded when one is shown. */

/** An entry, counted from 0; one that is not JSON was signed nevertheless, and is shown as text. */
export interface ShownEntry {
  index: number
  entry: Record<string, unknown>
}

export type LogReport =
  | {
      state: 'verified'
      size: number
      root: string
      key: string
      /** Entries in the head that this browser last saw; undefined if none. */
      before: number | undefined
      /** Whether every entry was read, not only those shown. */
      whole: boolean
      /** The newest, newest first. */
      entries: ShownEntry[]
    }
  | { state: 'distrusted'; distrust: Distrust }

/**
 * Verifies in this page that a vault's log is the one it signed, that it continues what this browser last saw, and that
 * the newest entries are in it. The head is stored only once all of this holds.
 * @param o.entries how many of the newest are shown @param o.whole reads every entry
 * @throws WireError if the log cannot be read
 */
export async function verifyLog(o: {
  vault: string
  tenant: string
  entries: number
  whole: boolean
  signal: AbortSignal
}): Promise<LogReport> {
  try {
    return await verified(o)
  } catch (error) {
    if (error instanceof TransparencyError) {
      const { code, message, expected, found } = error
      return { state: 'distrusted', distrust: { code, message, expected, found } }
    }
    if (error instanceof KeptDamaged)
      return { state: 'distrusted', distrust: { code: 'KeptHeadUnreadable', message: error.message } }
    throw error
  }
}

async function verified({
  vault,
  tenant,
  entries,
  whole,
  signal,
}: Parameters<typeof verifyLog>[0]): Promise<LogReport> {
  const origin = `${vaultHost(vault)}/operationlog`
  const fetch = remembering(fetchOf(vault, origin, signal))
  const before = readHead(tenant, vault)
  const key = new TextDecoder().decode(await fetch('key')).trimEnd()
  if (before !== undefined && before.key !== key) {
    const distrust = {
      code: 'LogKeyChanged',
      message: 'The log is signed by a different key than when this browser last saw it.',
      expected: before.key,
      found: key,
    }
    return { state: 'distrusted', distrust }
  }
  const noteKey = parseNoteKey(key)
  const note = new TextDecoder().decode(await fetch('checkpoint'))
  const checkpoint = await openCheckpoint(note, noteKey, origin)
  const remembered = before && (await openCheckpoint(before.checkpoint, noteKey, origin))
  const first = Math.max(0, checkpoint.size - entries)
  const shown = whole
    ? await everyEntry({ checkpoint, fetch, remembered, first })
    : await provenEntries({ checkpoint, fetch, remembered, first })
  keepHead(tenant, vault, { key, checkpoint: note })
  return {
    state: 'verified',
    size: checkpoint.size,
    root: toBase64(checkpoint.root),
    key,
    before: remembered?.size,
    whole,
    entries: shown.toReversed(),
  }
}

interface Reading {
  checkpoint: Checkpoint
  fetch: Fetch
  remembered: Checkpoint | undefined
  /** Index of the first entry shown. */
  first: number
}

async function everyEntry({ checkpoint, fetch, remembered, first }: Reading): Promise<ShownEntry[]> {
  const shown: ShownEntry[] = []
  const onEntry = (bytes: Uint8Array, index: number): void => {
    if (index >= first) shown.push(entryOf(bytes, index))
  }
  await auditLog({ checkpoint, fetch, onEntry, ...(remembered && { remembered }) })
  return shown
}

async function provenEntries({ checkpoint, fetch, remembered, first }: Reading): Promise<ShownEntry[]> {
  if (remembered !== undefined) await checkConsistency({ checkpoint, remembered, fetch })
  const indexes = Array.from({ length: checkpoint.size - first }, (_, offset) => first + offset)
  return await Promise.all(
    indexes.map(async (index) => entryOf(await provenEntry({ checkpoint, index, fetch }), index)),
  )
}

function entryOf(bytes: Uint8Array, index: number): ShownEntry {
  const text = new TextDecoder().decode(bytes)
  try {
    return { index, entry: JSON.parse(text) as Record<string, unknown> }
  } catch {
    return { index, entry: { text } }
  }
}

function fetchOf(vault: string, origin: string, signal: AbortSignal): Fetch {
  return async (path) => {
    try {
      const url = `https://${origin}/${path}`
      return (await ask<Uint8Array>({ url, token: await tokenFor(audienceOf(vault)), accept: 'bytes', signal })).body
    } catch (error) {
      if (!(error instanceof WireError) || error.status !== 404 || !path.startsWith('tile/')) throw error
      throw new TransparencyError({
        code: 'Missing',
        message: 'The log does not contain what it signed: entries were removed.',
        expected: path,
        found: 'nothing',
      })
    }
  }
}

/** Each part of a log is fetched once: many proofs use few tiles. */
function remembering(fetch: Fetch): Fetch {
  const asked = new Map<string, Promise<Uint8Array>>()
  return async (path) => {
    const known = asked.get(path) ?? fetch(path)
    asked.set(path, known)
    return await known
  }
}
