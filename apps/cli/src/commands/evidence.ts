import * as nodeCrypto from 'node:crypto'
import { releaseSigningUsage } from '@strongroom/contract'
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
import { cannotBeJudged, nothingToAccept, refused } from '../evidence/exit.ts'
import { readAuthority, readJson, readPieces } from '../evidence/files.ts'
import { readAnchors, readPolicy } from '../evidence/policy/policy.ts'
import { renderExplanation, renderJudgement } from '../evidence/render.ts'

/** Milliseconds that a judgement may take; genuine evidence takes less than one second. */
const deadline = 10_000

function readTime(context: CommandContext): Date {
  const text = textOption(context, 'at')
  if (text === undefined) return new Date()
  const at = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text)
  // A time without a zone would differ between machines.
  if (!Number.isNaN(at.getTime()) && /^\d{4}-\d\d-\d\d(T.*(Z|[+-]\d\d:\d\d))?$/.test(text)) return at
  throw new CliError({
    code: 'InvalidArgument',
    message: '--at is not a valid time.',
    exitCode: cannotBeJudged,
    expected: 'a time such as 2026-03-20T00:00:00Z',
    found: text,
    remedy: 'Include date, time and zone.',
  })
}

async function readRules(context: CommandContext): Promise<{ anchors: TrustAnchors; policy: EvidencePolicy }> {
  const [anchorsFile, policyFile, nonce] = [
    textOption(context, 'anchors'),
    textOption(context, 'policy'),
    textOption(context, 'nonce'),
  ]
  const genuine: TrustAnchors = {
    simulated: false,
    amd: [...genuineAmdAnchors],
    intel: [...genuineIntelAnchors],
    aws: [...genuineAwsAnchors],
  }
  const anchors = anchorsFile === undefined ? genuine : readAnchors(await readJson(anchorsFile, 'trust anchors'))
  const policy = policyFile === undefined ? {} : readPolicy(await readJson(policyFile, 'a policy'))
  const { tpm } = nonce === undefined ? {} : readPolicy({ tpm: { nonce } })
  const ca = textOption(context, 'ca')
  const roots = ca === undefined ? undefined : await readAuthority(ca)
  return {
    anchors,
    policy: {
      ...policy,
      // One authority certifies the attestation keys of an installation's guests and the keys of its vault.
      ...(tpm === undefined && roots === undefined
        ? {}
        : { tpm: { ...(roots === undefined ? {} : { roots }), ...policy.tpm, ...tpm } }),
      ...(roots === undefined ? {} : { release: { roots, signer: 'any', usage: releaseSigningUsage } }),
    },
  }
}

const verify: Command = {
  words: ['evidence', 'verify'],
  args: ['<files...>'],
  summary:
    'verify evidence of confidential VMs: reports, quotes, logs, certificates, tokens; exit 0 accepted, 1 refused, 2 cannot be judged, 7 nothing to accept',
  options: [
    {
      flags: '--at <time>',
      summary: 'time at which certificates, revocation lists, collateral and tokens must be valid; now by default',
    },
    {
      flags: '--policy <file>',
      summary: 'evidence policy, as JSON; by default, that the guest cannot be debugged or migrated',
    },
    { flags: '--nonce <hex>', summary: 'challenge (nonce) that TPM quotes must contain' },
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
    'strongroom evidence verify boot.json certs.json --anchors anchors.json --ca ca.pem --at 2026-03-20T00:00:00Z',
  ],
  run: async (context) => {
    const at = readTime(context)
    const { anchors, policy } = await readRules(context)
    const means = { primitives: nodePrimitives(nodeCrypto), cache: new VerificationCache() }
    const end = performance.now() + deadline
    const expired = (): boolean => performance.now() > end
    const judgement = await judge({
      pieces: await readPieces(context.args, expired),
      anchors,
      at,
      policy,
      expired,
      ...means,
    })
    process.exitCode = { accepted: 0, refused, unjudged: cannotBeJudged, nothing: nothingToAccept }[judgement.verdict]
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
