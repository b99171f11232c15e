import { defaultCvmReleasePolicy, sharedAttestationHost, type ReleasePolicy } from '@strongroom/contract'
import {
  comparisonText,
  duplicateName,
  explainRelease,
  lintReleasePolicy,
  readReleasePolicy,
  ReleasePolicyError,
  type ExplainedAuthority,
  type ExplainedCondition,
} from '@strongroom/release-policy'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command } from '../core/command.ts'
import { refused } from '../evidence/exit.ts'
import { readBytes } from '../evidence/files.ts'

const compactToken = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/

const lint: Command = {
  words: ['vault', 'policy', 'lint'],
  args: ['<policy>'],
  summary:
    'check a key release policy and warn of likely mistakes; exit 0 valid, 1 invalid, or with --strict any warning',
  options: [{ flags: '--strict', summary: 'exit 1 when there is a warning' }],
  examples: ['strongroom vault policy lint release.json', 'strongroom vault policy lint release.json --strict'],
  run: async (context) => {
    const policy = await readPolicy(context.args[0]!)
    const warnings = lintReleasePolicy(policy)
    if (warnings.length > 0 && context.options['strict'] === true) process.exitCode = refused
    const count = `${policy.anyOf.length} ${policy.anyOf.length === 1 ? 'authority' : 'authorities'}`
    return {
      data: { authorities: policy.anyOf.length, warnings },
      lines: [
        `A release policy with ${count}, ${warnings.length === 0 ? 'no warnings' : `${warnings.length} warnings`}.`,
        ...warnings.flatMap(({ code, place, message, remedy }) => [
          '',
          `${code} at ${place}`,
          `  ${message}`,
          `  remedy: ${remedy}`,
        ]),
      ],
    }
  },
}

const explain: Command = {
  words: ['vault', 'policy', 'explain'],
  args: ['<policy>', '<token>'],
  summary:
    'show whether a key release policy releases a key for a token, and why; exit 0 released, 1 refused. The ' +
    'token’s signature is not checked: the vault does that',
  examples: [
    'strongroom vault policy explain release.json token.jwt',
    'strongroom vault policy explain release.json claims.json --output json',
  ],
  run: async (context) => {
    const policy = await readPolicy(context.args[0]!)
    const { header, claims } = await readToken(context.args[1]!)
    const explanation = explainRelease(policy, claims, { header, now: Math.floor(Date.now() / 1000) })
    if (!explanation.released) process.exitCode = refused
    const issuers = explanation.authorities.filter(({ isIssuer }) => isIssuer)
    return {
      data: explanation,
      lines: [
        `${explanation.released ? 'Released' : 'Refused'}: the token is by ${explanation.issuer ?? 'nobody (it has no iss)'}.`,
        ...(issuers.length > 0
          ? issuers.flatMap(renderAuthority)
          : [
              `  No entry of the policy names this authority. It names: ${explanation.authorities
                .slice(0, 5)
                .map(({ authority }) => authority)
                .join(', ')}${explanation.authorities.length > 5 ? ', …' : ''}.`,
            ]),
        ...explanation.faults.map(
          ({ part, expected, found }) =>
            `  ${mark(false)} the token itself: ${part}, expected ${expected}, found ${found}`,
        ),
        `The token’s signature${header ? '' : ', its header'} and whether the vault trusts its issuer were not checked: the vault does.`,
      ],
    }
  },
}

const show: Command = {
  words: ['vault', 'policy', 'default'],
  summary: 'print the release policy that `az keyvault key create --default-cvm-policy` makes',
  options: [
    { flags: '--authority <url>', summary: 'attestation provider', default: `https://${sharedAttestationHost('weu')}` },
  ],
  examples: ['strongroom vault policy default --output json > release.json'],
  run: (context) => {
    const policy = defaultCvmReleasePolicy(
      textOption(context, 'authority') ?? `https://${sharedAttestationHost('weu')}`,
    )
    return Promise.resolve({ data: policy })
  },
}

export const vaultCommands: Command[] = [lint, explain, show]

function renderAuthority({ place, authority, held, conditions }: ExplainedAuthority): string[] {
  return [`  ${mark(held)} ${place} ${authority}`, ...renderCondition(conditions, '    ')]
}

function renderCondition(condition: ExplainedCondition, indent: string): string[] {
  if (condition.kind !== 'claim') {
    return [
      `${indent}${mark(condition.held)} ${condition.kind === 'allOf' ? 'all of' : 'any of'}`,
      ...condition.conditions.flatMap((each) => renderCondition(each, `${indent}  `)),
    ]
  }
  const { claim, operator, expected, actual, held, hint } = condition
  const asked = comparisonText({ claim, operator, operand: expected })
  const found = actual === undefined ? 'no such claim' : JSON.stringify(actual).slice(0, 200)
  const line = `${indent}${mark(held)} ${asked}${held ? '' : `, found ${found}`}`
  return hint === undefined ? [line] : [line, `${indent}    ${hint}`]
}

const mark = (held: boolean): string => (held ? '✓' : '✗')

/** A policy as JSON, or a key or its `release_policy` as az shows it, whose `data` is the policy in base64url. */
async function readPolicy(path: string): Promise<ReleasePolicy> {
  const text = await readText(path)
  try {
    return readReleasePolicy(encodedIn(text) ?? text)
  } catch (error) {
    if (!(error instanceof ReleasePolicyError)) throw error
    throw new CliError({
      code: 'InvalidReleasePolicy',
      message: error.message,
      expected: error.expected,
      found: error.found,
      remedy: `Correct the policy at ${error.place}.`,
      cause: error,
    })
  }
}

function encodedIn(text: string): string | undefined {
  const value = jsonOf(text)
  const holder = memberOf(value, 'release_policy') ?? memberOf(value, 'releasePolicy') ?? value
  const data = memberOf(holder, 'data') ?? memberOf(holder, 'encodedPolicy')
  return typeof data === 'string' ? Buffer.from(data, 'base64url').toString('utf8') : undefined
}

interface DeskToken {
  /** Undefined if only claims are given. */
  header: Record<string, unknown> | undefined
  claims: Record<string, unknown>
}

/** A token, an answer `{ "token": … }`, or its claims as a JSON object. */
async function readToken(path: string): Promise<DeskToken> {
  const text = (await readText(path)).trim()
  const token = compactToken.test(text) ? text : memberOf(jsonOf(text), 'token')
  const [header, claims] =
    typeof token === 'string' && compactToken.test(token)
      ? token.split('.').map((part) => Buffer.from(part, 'base64url').toString('utf8'))
      : [undefined, text]
  return {
    header: header === undefined ? undefined : objectIn(header, path),
    claims: objectIn(claims!, path),
  }
}

function objectIn(text: string, path: string): Record<string, unknown> {
  const value = jsonOf(text)
  const twice = duplicateName(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && twice === undefined) {
    return value as Record<string, unknown>
  }
  throw new CliError({
    code: 'InvalidArgument',
    message: `${path} does not contain claims.`,
    exitCode: exitCodes.usage,
    expected: 'an attestation token, or a JSON object of claims, with each name once',
    found: twice === undefined ? 'something else' : `${twice} twice`,
    remedy: 'Pass the file with the token.',
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path))
}
