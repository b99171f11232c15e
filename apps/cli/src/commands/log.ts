import { linesOfText, platformVault } from '@strongroom/contract'
import { auditLog, openCheckpoint, provenEntry, toBase64, type Checkpoint } from '@strongroom/transparency'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import { entriesTable, parseEntry, type ShownEntry } from '../log/entries.ts'
import { keyOf, remoteLog, reportingDistrust, type RemoteLog } from '../log/remote-log.ts'
import { readRemembered, remember, rememberedPath, type Remembered } from '../log/remembered.ts'

const keyOption = {
  flags: '--key <key>',
  summary:
    'the key that must have signed the log; by default the saved one, and the first time the one the vault returns',
}

interface Opened {
  vault: string
  log: RemoteLog
  key: string
  path: string
  remembered: Remembered | undefined
}

async function openLog(context: CommandContext): Promise<Opened> {
  const vault = context.args[0] ?? platformVault
  if (!/^[a-z][a-z0-9-]{1,22}[a-z0-9](\.managedhsm)?$/i.test(vault))
    throw invalid('The name of the vault is invalid.', 'for example kv1, or pool.managedhsm for a managed HSM', vault)
  const connection = await context.connect()
  const log = remoteLog(connection, vault.toLowerCase())
  const path = rememberedPath({
    config: context.paths.config,
    tenantId: connection.server.tenantId,
    vault: vault.toLowerCase(),
  })
  const remembered = await readRemembered(path)
  const given = textOption(context, 'key')
  const key = given ?? remembered?.key ?? (await log.key())
  if (given !== undefined && remembered !== undefined && given !== remembered.key) {
    throw new CliError({
      code: 'LogKeyChanged',
      message: 'The log was signed by another key when it was last verified.',
      exitCode: exitCodes.notTrusted,
      expected: remembered.key,
      found: given,
      remedy: `Ask whoever runs the vault why. If the new key is right, remove ${path} and verify again.`,
    })
  }
  return { vault, log, key, path, remembered }
}

/** Reads and verifies the whole log, then remembers how far it reached. */
async function audited(o: Opened, onEntry?: (entry: Uint8Array, index: number) => void): Promise<Checkpoint> {
  const key = keyOf(o.key, o.log.origin)
  const before = o.remembered && (await openCheckpoint(o.remembered.checkpoint, key, o.log.origin))
  const { note, checkpoint } = await o.log.checkpoint(o.key)
  await auditLog({
    checkpoint,
    fetch: o.log.fetch,
    ...(before && { remembered: before }),
    ...(onEntry && { onEntry }),
  })
  await remember(o.path, { key: o.key, checkpoint: note })
  return checkpoint
}

const verify: Command = {
  words: ['log', 'verify'],
  args: ['[vault]'],
  names: 'vault',
  summary: 'verify that a vault’s operations log matches what it signed, and continues the log verified before',
  options: [
    keyOption,
    { flags: '--entry <index>', summary: 'prove that one entry is in the log, without reading all of it' },
  ],
  examples: ['strongroom log verify', 'strongroom log verify kv1 --entry 17'],
  run: (context) =>
    reportingDistrust(async () => {
      const opened = await openLog(context)
      const index = textOption(context, 'entry')
      if (index !== undefined) return proveOne(opened, index)
      const checkpoint = await audited(opened)
      const { remembered } = opened
      const since = remembered === undefined ? undefined : Number(remembered.checkpoint.split('\n')[1])
      return {
        data: {
          origin: checkpoint.origin,
          size: checkpoint.size,
          root: toBase64(checkpoint.root),
          since,
          key: opened.key,
        },
        lines: [
          `${checkpoint.origin}: ${checkpoint.size} entries, all match the signed head.`,
          since === undefined
            ? '  no saved state; from now on the log has to continue this one.'
            : `  continues the ${since} entries verified before.`,
          `  root: ${toBase64(checkpoint.root)}`,
          `  key:  ${opened.key}`,
        ],
      }
    }),
}

async function proveOne(opened: Opened, text: string): Promise<Awaited<ReturnType<Command['run']>>> {
  if (!/^\d{1,15}$/.test(text)) throw invalid('The index of the entry is invalid.', 'a number from 0', text)
  const { checkpoint } = await opened.log.checkpoint(opened.key)
  const index = Number(text)
  if (index >= checkpoint.size) {
    throw new CliError({
      code: 'EntryNotFound',
      message: 'The log has no such entry.',
      exitCode: exitCodes.notFound,
      expected: `an index below ${checkpoint.size}`,
      found: text,
    })
  }
  const entry = await provenEntry({ checkpoint, index, fetch: opened.log.fetch })
  const shown = parseEntry(entry, index)
  return {
    data: { origin: checkpoint.origin, size: checkpoint.size, ...shown },
    lines: [
      `${checkpoint.origin}: entry ${index} is in the log of ${checkpoint.size} entries.`,
      ...linesOfText(JSON.stringify(shown.entry, null, 2)),
    ],
  }
}

const show: Command = {
  words: ['log', 'show'],
  args: ['[vault]'],
  names: 'vault',
  summary: 'show the entries of a vault’s operations log, after verifying all of it',
  options: [
    keyOption,
    { flags: '--of <name>', summary: 'only entries of this key' },
    { flags: '--last <count>', summary: 'only this many, the newest', default: '50' },
  ],
  run: (context) =>
    reportingDistrust(async () => {
      const last = textOption(context, 'last') ?? '50'
      if (!/^[1-9]\d{0,6}$/.test(last)) throw invalid('The count is invalid.', 'a number from 1', last)
      const name = textOption(context, 'of')?.toLowerCase()
      const found: ShownEntry[] = []
      await audited(await openLog(context), (bytes, index) => {
        const entry = parseEntry(bytes, index)
        if (name !== undefined && entry.entry['keyName'] !== name) return
        found.push(entry)
        if (found.length > Number(last)) found.shift()
      })
      return { data: found, table: entriesTable(found) }
    }),
}

const key: Command = {
  words: ['log', 'key'],
  args: ['[vault]'],
  names: 'vault',
  summary: 'print the public key of a log, for others to verify it with',
  run: (context) =>
    reportingDistrust(async () => {
      const { key: text } = await openLog(context)
      return { data: { key: text }, lines: [text] }
    }),
}

function invalid(message: string, expected: string, found: string): CliError {
  return new CliError({ code: 'InvalidArgument', message, exitCode: exitCodes.usage, expected, found })
}

export const logCommands: Command[] = [verify, show, key]
