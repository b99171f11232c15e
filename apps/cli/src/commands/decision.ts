import {
  attestationAudience,
  homeRegion,
  sharedAttestationHost,
  type DecisionBundle,
  type DecisionList,
  type DecisionView,
} from '@strongroom/contract'
import { expectSuccess } from '../client/https.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { writeJsonFile } from '../core/json-file.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'

const version = 'api-version=2025-06-01'
const largestPage = 500

const providerOption = {
  flags: '--provider <host>',
  summary: 'host of an attestation provider; the shared one of the region by default',
}

async function read<T>(context: CommandContext, path: string): Promise<T> {
  const connection = await context.connect()
  const token = await connection.ownerToken(attestationAudience)
  const host = textOption(context, 'provider') ?? sharedAttestationHost(homeRegion.code)
  const url = `https://${host}/decisions${path}`
  return expectSuccess(await connection.https.request({ method: 'GET', url, token })).json as T
}

const list: Command = {
  words: ['decision', 'list'],
  summary: 'show what an attestation provider decided, newest first',
  watchable: true,
  options: [{ flags: '--top <number>', summary: 'how many', default: '20' }, providerOption],
  run: async (context) => {
    const text = textOption(context, 'top') ?? '20'
    const top = Number(text)
    if (!Number.isInteger(top) || top < 1 || top > largestPage) {
      throw new CliError({
        code: 'InvalidArgument',
        message: '--top must be a positive integer.',
        exitCode: exitCodes.usage,
        expected: `a whole number from 1 to ${largestPage}`,
        found: text,
        remedy: 'Omit it for the newest 20.',
      })
    }
    const { value } = await read<DecisionList>(context, `?${version}&$top=${top}`)
    const rows = value.map((each) => [each.at, each.type, each.outcome, each.code ?? '', each.caller, each.id])
    return { data: value, table: { columns: ['At', 'Type', 'Outcome', 'Code', 'Caller', 'Id'], rows } }
  },
}

const show: Command = {
  words: ['decision', 'show'],
  args: ['<id>'],
  summary: 'show one decision: evidence, policy, and what failed',
  options: [providerOption],
  run: async (context) => {
    const data = await read<DecisionView>(context, `/${encodeURIComponent(context.args[0]!)}?${version}`)
    return { data, lines: describe(data) }
  },
}

const exportCommand: Command = {
  words: ['decision', 'export'],
  args: ['<id>', '<file>'],
  summary: 'write a decision with its evidence to a file that `strongroom evidence verify` judges offline',
  options: [providerOption],
  examples: [
    'strongroom decision export 6f1c… decision.json',
    'strongroom evidence verify decision.json --anchors anchors.json --ca ca.pem --at 2026-11-25T15:00:00Z',
  ],
  run: async (context) => {
    const [id = '', file = ''] = context.args
    const bundle = await read<DecisionBundle>(context, `/${encodeURIComponent(id)}/bundle?${version}`)
    await writeJsonFile(file, bundle)
    const { decision } = bundle
    const lines = [`The decision of ${decision.at} (${decision.outcome}) and its evidence are in ${file}.`]
    return { data: { file, decision }, lines }
  },
}

function describe(decision: DecisionView): string[] {
  const { failedRules, failedChecks, shortcomings, advisories } = decision
  return [
    `${decision.outcome} at ${decision.at} by ${decision.provider}, asked by ${decision.caller}`,
    `Evidence: ${decision.type}, SHA-256 ${decision.evidenceDigest}${decision.simulated ? ', simulated silicon' : ''}`,
    ...(decision.policyHash === undefined ? [] : [`Policy: ${decision.policyHash}`]),
    ...(decision.tokenId === undefined ? [] : [`Token: ${decision.tokenId}`]),
    ...(decision.message === undefined ? [] : [`${decision.code ?? ''}: ${decision.message}`]),
    ...failedRules.flatMap(({ rule, expected, found }) => [
      `Rule: ${rule}`,
      `  expected ${expected}`,
      `  found ${found}`,
    ]),
    ...failedChecks.flatMap(({ code, target = '', expected = '', found = '' }) => [
      `Check: ${code} of ${target}`,
      `  expected ${expected}`,
      `  found ${found}`,
    ]),
    ...shortcomings.map(({ message }) => `Not compliant: ${message}`),
    ...(advisories.length === 0 ? [] : [`Advisories: ${advisories.join(', ')}`]),
  ]
}

export const decisionCommands: Command[] = [list, show, exportCommand]
