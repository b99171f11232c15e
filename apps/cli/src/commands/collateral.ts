import { readFile } from 'node:fs/promises'
import {
  attestationAudience,
  homeRegion,
  sharedAttestationHost,
  type CollateralBundle,
  type CollateralImport,
  type CollateralStatus,
} from '@strongroom/contract'
import { describeLack, readPlatforms, type SeenPlatform } from '@strongroom/trust/platforms'
import { ArmClient } from '../client/arm.ts'
import { expectSuccess } from '../client/https.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { writeJsonFile } from '../core/json-file.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'

const base = `https://${sharedAttestationHost(homeRegion.code)}/collateral`

async function send<T>(context: CommandContext, method: string, path: string, body?: unknown): Promise<T> {
  const connection = await context.connect()
  const token = await connection.ownerToken(attestationAudience)
  const url = `${base}${path}`
  return expectSuccess(await connection.https.request({ method, url, token, ...(body !== undefined && { body }) }))
    .json as T
}

const status: Command = {
  words: ['collateral', 'status'],
  summary: 'show the stored certificates, revocation lists and TCB infos of the vendors, and until when they are valid',
  run: async (context) => {
    const data = await send<CollateralStatus>(context, 'GET', '')
    for (const { name, endpoints } of data.sources)
      context.say(
        `${name}: ${endpoints.length > 0 ? endpoints.join(', ') : 'not contacted; imported collateral is used'}`,
      )
    const rows = data.items.map((item) => [item.source, item.kind, item.state, item.expiresAt, short(item.path)])
    return { data, table: { columns: ['Source', 'Kind', 'State', 'CountsUntil', 'Path'], rows } }
  },
}

/** Chip ids have 128 digits. */
const short = (text: string): string => text.replace(/[0-9a-f]{32,}/, (id) => `${id.slice(0, 12)}…`)

const exportCommand: Command = {
  words: ['collateral', 'export'],
  args: ['<file>'],
  summary: 'write the stored collateral to a bundle, for an installation without access to the vendors',
  options: [
    {
      flags: '--source <source>',
      summary: 'vendors, or installation for the collateral of its own silicon',
      default: 'vendors',
    },
  ],
  examples: ['strongroom collateral export collateral.json', 'strongroom collateral import collateral.json'],
  run: async (context) => {
    const file = context.args[0]!
    const source = textOption(context, 'source') ?? 'vendors'
    const path = `/bundle?source=${encodeURIComponent(source)}`
    const bundle = await send<CollateralBundle>(context, 'GET', path)
    await writeJsonFile(file, bundle)
    const data = { file, source, items: bundle.items.length }
    return { data, lines: [`${bundle.items.length} items of ${source} are in ${file}.`] }
  },
}

const importCommand: Command = {
  words: ['collateral', 'import'],
  args: ['<file>'],
  summary: 'import a bundle, all or nothing: every item must be current and signed under trusted roots',
  run: async (context) => {
    const file = context.args[0]!
    const data = await send<CollateralImport>(context, 'POST', '/bundle', await readBundle(file))
    const rows = data.results.map((item) => [item.source, item.outcome, item.expiresAt, short(item.path)])
    return { data, table: { columns: ['Source', 'Outcome', 'CountsUntil', 'Path'], rows } }
  },
}

async function readBundle(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown
  } catch (cause) {
    throw new CliError({
      code: 'FileNotReadable',
      message: `${file} is not a readable collateral bundle.`,
      exitCode: exitCodes.usage,
      expected: 'a file written by `strongroom collateral export`',
      found: (cause as { code?: string }).code ?? 'a text that is not JSON',
      remedy: 'Check the name of the file.',
      cause,
    })
  }
}

const shortfall: Command = {
  words: ['collateral', 'shortfall'],
  summary:
    'show how far each platform is behind: part, found, wanted, what to update, and what the vendor’s next set requires',
  options: [{ flags: '--provider <host>', summary: 'host of one attestation provider; all of them by default' }],
  run: async (context) => {
    const connection = await context.connect()
    const token = await connection.ownerToken(attestationAudience)
    const read = async <T>(url: string): Promise<T> =>
      expectSuccess(await connection.https.request({ method: 'GET', url, token })).json as T
    const only = textOption(context, 'provider')
    const providers = only === undefined ? await allProviders(new ArmClient(connection)) : [only]
    const data = await readPlatforms({ providers, read })
    if (data.length === 0) return { data, lines: ['No recorded decision concerns a platform with TCB levels.'] }
    return { data, lines: data.flatMap(describePlatform) }
  },
}

async function allProviders(arm: ArmClient): Promise<string[]> {
  const base = `${arm.subscription}/providers/Microsoft.Attestation`
  const lists = await Promise.all(
    ['attestationProviders', 'defaultProviders'].map((kind) =>
      arm.list<{ properties: { attestUri: string } }>(`${base}/${kind}`, '2020-10-01'),
    ),
  )
  return lists.flat().map(({ properties }) => new URL(properties.attestUri).host)
}

function describePlatform({ id, kind, status, against, at, vmIds, lacks, advisories, next }: SeenPlatform): string[] {
  return [
    `${kind}: ${status} against ${against}`,
    `  platform ${short(id)}, attested ${at}${vmIds.length === 0 ? '' : `, VMs ${vmIds.join(', ')}`}`,
    ...lacks.map((lack) => `  behind: ${describeLack(lack)}`),
    ...(advisories.length === 0 ? [] : [`  advisories: ${advisories.join(', ')}`]),
    ...(next.state === 'none'
      ? [`  next set: ${next.why}`]
      : [
          `  next set: ${next.status} at evaluation ${next.edition}`,
          ...next.lacks.map((lack) => `  then behind: ${describeLack(lack)}`),
          ...(next.advisories.length === 0 ? [] : [`  then advisories: ${next.advisories.join(', ')}`]),
        ]),
  ]
}

export const collateralCommands: Command[] = [status, shortfall, exportCommand, importCommand]
