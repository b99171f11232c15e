import { writeFile } from 'node:fs/promises'
import { linesOfText } from '@strongroom/contract'
import {
  explainPolicy,
  formatPolicy,
  issuedClaims,
  lintPolicy,
  type Policy,
  type PolicyExplanation,
} from '@strongroom/policy'
import { CliError, type ExitCode } from '../core/cli-error.ts'
import type { Command, CommandContext } from '../core/command.ts'
import { cannotBeJudged, refused } from '../evidence/exit.ts'
import { readClaims } from '../policy/claims.ts'
import { renderDecision, renderExplanation, renderWarnings } from '../policy/render.ts'
import { hashOfPolicy, policyFailure, readPolicy, readPolicyText } from '../policy/source.ts'

/** @param unreadable exit code if the policy cannot be read */
async function policyOf(
  context: CommandContext,
  unreadable: ExitCode,
): Promise<{ text: string; inEnvelope: boolean; policy: Policy }> {
  const read = await readPolicyText(context.args[0]!)
  return { ...read, policy: readPolicy(read.text, unreadable) }
}

const check: Command = {
  words: ['policy', 'check'],
  args: ['<policy>'],
  summary:
    'check an attestation policy and warn of likely mistakes; exit 0 valid, 1 invalid, or with --strict any warning',
  options: [{ flags: '--strict', summary: 'exit 1 when there is a warning' }],
  examples: ['strongroom policy check cvm.policy', 'strongroom policy check cvm.policy --strict'],
  run: async (context) => {
    const { text, policy } = await policyOf(context, refused)
    const warnings = lintPolicy(policy)
    if (warnings.length > 0 && context.options['strict'] === true) process.exitCode = refused
    const rules = {
      configurationrules: policy.configurationRules?.length ?? 0,
      authorizationrules: policy.authorizationRules.length,
      issuancerules: policy.issuanceRules?.length ?? 0,
    }
    const hash = hashOfPolicy(text)
    const counts = Object.entries(rules).map(([segment, count]) => `${count} ${segment}`)
    return {
      data: { version: policy.version, rules, hash, warnings },
      lines: [
        `Version ${policy.version}: ${counts.join(', ')}.`,
        `x-ms-policy-hash ${hash}`,
        ...renderWarnings(warnings),
      ],
    }
  },
}

async function explained(context: CommandContext): Promise<PolicyExplanation> {
  const { text, policy } = await policyOf(context, cannotBeJudged)
  const explanation = explainPolicy(policy, await readClaims(context.args[1]!))
  const { outcome, error } = explanation
  if (error !== undefined && context.options['explain'] !== true) throw policyFailure(error, text, cannotBeJudged)
  process.exitCode = outcome === undefined ? cannotBeJudged : outcome.permitted ? 0 : refused
  return explanation
}

function outcomeData({ outcome, error }: PolicyExplanation): Record<string, unknown> {
  if (outcome === undefined)
    return { decision: 'error', error: { code: error?.code, message: error?.message, position: error?.position } }
  const { denial, issued, properties, notes } = outcome
  return {
    decision: outcome.permitted ? 'permitted' : 'denied',
    ...(denial === undefined ? {} : { denial }),
    issued: issuedClaims(issued),
    properties: Object.fromEntries(properties),
    notes,
  }
}

const evaluate: Command = {
  words: ['policy', 'eval'],
  args: ['<policy>', '<claims>'],
  summary:
    'evaluate an attestation policy over a token or a file of claims; exit 0 permitted, 1 denied, 2 cannot be evaluated',
  examples: [
    'strongroom policy eval cvm.policy token.jwt',
    'strongroom policy eval cvm.policy claims.json --output json',
  ],
  run: async (context) => {
    const explanation = await explained(context)
    return { data: outcomeData(explanation), lines: renderDecision(explanation) }
  },
}

const explain: Command = {
  words: ['policy', 'explain'],
  args: ['<policy>', '<claims>'],
  summary: 'show rule by rule which matched, what it did, and why the policy decided so; exit codes as for policy eval',
  examples: ['strongroom policy explain cvm.policy token.jwt'],
  run: async (context) => {
    const explanation = await explained({ ...context, options: { ...context.options, explain: true } })
    return { data: { ...outcomeData(explanation), rules: explanation.rules }, lines: renderExplanation(explanation) }
  },
}

const format: Command = {
  words: ['policy', 'format'],
  args: ['<policy>'],
  summary: 'print an attestation policy in canonical layout, comments included',
  options: [
    { flags: '--write', summary: 'write it to the file instead' },
    { flags: '--check', summary: 'print nothing; exit 1 if the file is not in canonical layout' },
  ],
  examples: ['strongroom policy format cvm.policy', 'strongroom policy format cvm.policy --write'],
  run: async (context) => {
    const { text, inEnvelope, policy } = await policyOf(context, cannotBeJudged)
    const formatted = formatPolicy(policy)
    const path = context.args[0]!
    if (context.options['check'] === true && formatted !== text)
      throw new CliError({
        code: 'NotFormatted',
        message: `${path} is not in canonical layout.`,
        exitCode: refused,
        remedy: `strongroom policy format ${path} --write`,
      })
    if (context.options['write'] === true && inEnvelope)
      throw new CliError({
        code: 'InvalidArgument',
        message: `${path} is a signed envelope (JWS): changing its text would invalidate the signature.`,
        exitCode: cannotBeJudged,
        remedy: 'Print the text without --write, and sign it again.',
      })
    // Layout changes the policy's hash, so nothing is written without `--write`.
    if (context.options['write'] === true && formatted !== text) await writeFile(path, formatted)
    if (context.options['check'] === true || context.options['write'] === true) return undefined
    return { data: { policy: formatted, hash: hashOfPolicy(formatted) }, lines: linesOfText(formatted) }
  },
}

export const policyCommands: Command[] = [check, evaluate, explain, format]
