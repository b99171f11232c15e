import * as nodeCrypto from 'node:crypto'
import { parseTime, releaseSigningUsage } from '@strongroom/contract'
import {
  genuineAmdAnchors,
  genuineIntelAnchors,
  nodePrimitives,
  VerificationCache,
  type TrustAnchors,
} from '@strongroom/evidence'
import { genuineAwsAnchors, judge, type EvidencePolicy } from '@strongroom/evidence/files'
import { explain } from '@strongroom/evidence/explain'
import { CliError } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import { cannotBeJudged, exitOf } from '../evidence/exit.ts'
import { readAuthority, readJson, readPieces } from '../evidence/files.ts'
import { policyOptions, withFlags } from '../evidence/policy/flags.ts'
import { readAnchors, readPolicy } from '../evidence/policy/policy.ts'
import { renderExplanation, renderJudgement } from '../evidence/render.ts'

/** Milliseconds that a judgement may take; genuine evidence takes less than one second. */
const deadline = 10_000

function readTime(context: CommandContext): Date {
  const text = textOption(context, 'at')
  if (text === undefined) return new Date()
  const at = parseTime(text)
  if (at !== undefined) return at
  throw new CliError({
    code: 'InvalidArgument',
    message: '--at is not a valid time.',
    exitCode: cannotBeJudged,
    expected: 'a time such as 2026-03-20T00:00:00Z',
    found: text,
    remedy: 'Include a date that exists, time and zone.',
  })
}

async function readRules(
  context: CommandContext,
): Promise<{ anchors: TrustAnchors; policy: EvidencePolicy; authority?: EvidencePolicy['release'] }> {
  const [anchorsFile, policyFile, ca] = [
    textOption(context, 'anchors'),
    textOption(context, 'policy'),
    textOption(context, 'ca'),
  ]
  const genuine: TrustAnchors = {
    simulated: false,
    amd: [...genuineAmdAnchors],
    intel: [...genuineIntelAnchors],
    aws: [...genuineAwsAnchors],
  }
  const anchors = anchorsFile === undefined ? genuine : readAnchors(await readJson(anchorsFile, 'trust anchors'))
  const written = policyFile === undefined ? {} : await readJson(policyFile, 'a policy')
  const policy = readPolicy(await withFlags(written, context))
  if (ca === undefined) return { anchors, policy }
  // One authority certifies the attestation keys of an installation's guests and the keys of its vault.
  const authority = { roots: await readAuthority(ca), signer: 'any', usage: releaseSigningUsage }
  return { anchors, policy, authority }
}

const verify: Command = {
  words: ['evidence', 'verify'],
  args: ['<files...>'],
  summary:
    'verify evidence of confidential VMs: reports, quotes, logs, certificates, tokens; exit 0 accepted, 1 ' +
    'refused, 2 cannot be judged, 7 nothing to accept, or a key that nothing endorses',
  options: [
    {
      flags: '--at <time>',
      summary: 'time at which certificates, revocation lists, collateral and tokens must be valid; now by default',
    },
    {
      flags: '--policy <file>',
      summary: 'evidence policy, as JSON; by default, that the guest cannot be debugged or migrated',
    },
    ...policyOptions,
    {
      flags: '--anchors <file>',
      summary: "roots to trust instead of AMD's and Intel's, for example an installation's anchors.json",
    },
    {
      flags: '--ca <file>',
      summary:
        "certificate of an installation's CA (ca.pem), for its vault's releases and its guests' attestation keys",
    },
  ],
  examples: [
    'strongroom evidence verify report.bin vcek.der cert_chain.pem',
    'strongroom evidence verify quote.bin tcbinfo.json qeidentity.json signing-chain.pem pck.crl root.crl --at 2026-03-20T00:00:00Z',
    'strongroom evidence verify hcl-report.bin vcek.pem cert_chain.pem quote.json --nonce 6368616c6c656e6765',
    'strongroom evidence verify report.bin vcek.der cert_chain.pem --report-data @challenge.bin --id-key @id-key.pem',
    'strongroom evidence verify token.jwt --issuer-key @issuer.pem',
    'strongroom evidence verify boot.json certs.json --anchors anchors.json --ca ca.pem --at 2026-03-20T00:00:00Z',
  ],
  run: async (context) => {
    const at = readTime(context)
    const { anchors, policy, authority } = await readRules(context)
    const means = { primitives: nodePrimitives(nodeCrypto), cache: new VerificationCache() }
    const end = performance.now() + deadline
    const expired = (): boolean => performance.now() > end
    const pieces = await readPieces(context.args, expired)
    const issuerKey = textOption(context, 'issuerKey')
    // The key that a token must be signed by is also the one to verify it with.
    if (issuerKey?.startsWith('@') === true && pieces.some(({ kind }) => kind === 'token'))
      pieces.push(...(await readPieces([issuerKey.slice(1)], expired)))
    const judgement = await judge({
      pieces,
      anchors,
      at,
      policy,
      authority,
      expired,
      ...means,
    })
    process.exitCode = exitOf[judgement.verdict]
    const lines = renderJudgement(judgement, at)
    if (anchors.simulated)
      lines.push('Simulated silicon: the chain is complete, but offers no protection from the host.')
    return { data: { ...judgement, at: at.toISOString(), simulated: anchors.simulated }, lines }
  },
}

const explainFile: Command = {
  words: ['evidence', 'explain'],
  args: ['<file>'],
  summary: 'print every field of a piece of evidence with its meaning; nothing is verified',
  examples: ['strongroom evidence explain report.bin'],
  run: async (context) => {
    const explanations = (await readPieces(context.args)).map(explain)
    if (explanations.every(({ kind, fault }) => kind === 'unknown' || fault !== undefined))
      process.exitCode = cannotBeJudged
    return {
      data: explanations,
      lines: explanations.flatMap((each, index) => [...(index === 0 ? [] : ['']), ...renderExplanation(each)]),
    }
  },
}

export const evidenceCommands: Command[] = [verify, explainFile]
