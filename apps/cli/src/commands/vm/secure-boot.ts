import type { AnyBootEvidence, SecureBootUpdates } from '@strongroom/contract'
import {
  bootClaims,
  describeName,
  equal,
  EvidenceError,
  fromBase64Url,
  parseCertificate,
  parseEventLog,
  replay,
  toHex,
  verifyEventLog,
} from '@strongroom/evidence'
import {
  applySecureBootUpdate,
  parseSignatureLists,
  predictPcr7,
  secureBootVariableNames,
  variablesOfState,
  type SecureBootState,
  type SecureBootVariable,
} from '@strongroom/evidence/expected'
import { apiVersions } from '../../client/arm.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command } from '../../core/command.ts'
import { contentOf } from '../../core/file-content.ts'
import { groupOption, openVm } from './resource.ts'
import { fetchEvidence } from './trust.ts'
import { ownCommand } from '../../core/own-name.ts'

/** Secure Boot variables of a boot, as its event log has them, and the entry of db that accepted the boot file. */
interface BootVariables {
  state: SecureBootState
  authority: Uint8Array
}

/** @throws CliError SecureBootUnknown where the VM has not reported a boot with Secure Boot */
async function variablesOf(evidence: AnyBootEvidence, name: string): Promise<BootVariables> {
  const { measuredBoot } = evidence
  const log = measuredBoot && parseEventLog(fromBase64Url(measuredBoot.eventLog))
  const verified = log && (await verifyEventLog({ log, bank: 'sha256', registers: await replay(log, 'sha256') }))
  const secureBoot = verified && (await bootClaims(verified)).secureBoot
  const authority = secureBoot?.authorities[0]?.data
  if (secureBoot?.enabled !== true || authority === undefined)
    throw new CliError({
      code: 'SecureBootUnknown',
      message: `The VM ${name} has not reported a boot with Secure Boot.`,
      expected: 'a VM with Secure Boot that was ready once',
      remedy: `Start it: strongroom vm start ${name}`,
    })
  const of = (variable: SecureBootVariable): SecureBootState['PK'] => ({
    data: secureBoot.variables.get(variable) ?? new Uint8Array(),
    // Not measured: whether an update is late enough, the VM's paravisor says.
    timestamp: new Uint8Array(16),
  })
  return { state: { PK: of('PK'), KEK: of('KEK'), db: of('db'), dbx: of('dbx') }, authority }
}

const registerOf = async ({ state, authority }: BootVariables): Promise<string> =>
  toHex(await predictPcr7({ variables: variablesOfState(state), authority }))

function linesOf(state: SecureBootState): string[] {
  return secureBootVariableNames.flatMap((name) => {
    const entries = parseSignatureLists(state[name].data)
    const certificates = entries.filter(({ type }) => type === 'x509').map(({ content }) => nameOf(content))
    const others = entries.length - certificates.length
    return [
      `  ${name.padEnd(4)} ${[...certificates, ...(others > 0 ? [`${others} digests`] : [])].join(', ') || 'empty'}`,
    ]
  })
}

function nameOf(certificate: Uint8Array): string {
  try {
    return describeName(parseCertificate(certificate).subject)
  } catch (error) {
    if (error instanceof EvidenceError) return 'a certificate that cannot be read'
    throw error
  }
}

export const secureBootCommands: Command[] = [
  {
    words: ['vm', 'secure-boot'],
    args: ['<name>'],
    names: 'vm',
    summary: 'show the Secure Boot variables of the last boot, and PCR 7 as a signed update would make it',
    options: [
      groupOption,
      { flags: '--variable <variable>', summary: 'of --update: PK, KEK, db or dbx' },
      { flags: '--update <file>', summary: 'a signed update (.auth), which is verified here and not sent' },
    ],
    examples: ['strongroom vm secure-boot first', 'strongroom vm secure-boot first --variable dbx --update dbx.auth'],
    run: async (context) => {
      const { arm, path, name } = await openVm(context)
      const before = await variablesOf(await fetchEvidence(arm, path), name)
      const file = textOption(context, 'update')
      const register = await registerOf(before)
      const lines = ['Secure Boot variables of the last boot', ...linesOf(before.state), `PCR 7 ${register}`]
      if (file === undefined) return { data: { pcr7: register }, lines }
      const after = await updated(before, variableNamed(textOption(context, 'variable')), await contentOf(file))
      return {
        data: { pcr7: register, next: after.register },
        lines: [...lines, `PCR 7 ${after.register} after the update, ${after.says}`],
      }
    },
  },
  {
    words: ['vm', 'update-secure-boot'],
    args: ['<name>', '<variable>', '<file>'],
    names: 'vm',
    summary: 'give a VM a signed update (.auth) of PK, KEK, db or dbx, which its next boot takes',
    options: [groupOption],
    examples: ['strongroom vm update-secure-boot first dbx DBXUpdate.bin'],
    run: async (context) => {
      const { arm, path, name } = await openVm(context)
      const variable = variableNamed(context.args[1])
      const signed = await contentOf(context.args[2]!)
      const after = await updated(await variablesOf(await fetchEvidence(arm, path), name), variable, signed)
      const updates: SecureBootUpdates = [{ variable, update: signed.toString('base64') }]
      await arm.send('POST', `${path}/updateSecureBootVariables`, apiVersions.compute, { updates })
      return {
        data: { variable, next: after.register },
        lines: [
          `The next boot of ${name} takes the update of ${variable}, ${after.says}.`,
          `  PCR 7      ${after.register}`,
          `Restart it: ${ownCommand(`vm restart ${name}`)}`,
        ],
      }
    },
  },
]

/** @throws CliError SecureBootUpdateRefused where firmware with these variables would not take it */
async function updated(
  before: BootVariables,
  variable: SecureBootVariable,
  signed: Uint8Array,
): Promise<{ register: string; says: string }> {
  try {
    const { state, append, signer } = await applySecureBootUpdate(before.state, { variable, signed })
    const same = equal(state[variable].data, before.state[variable].data)
    const what = same ? 'changes nothing' : append ? 'appends to it' : 'replaces it'
    return { register: await registerOf({ ...before, state }), says: `which ${what}, signed by ${signer ?? ''}` }
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    throw new CliError({
      code: 'SecureBootUpdateRefused',
      message: `The VM's firmware would not take the update of ${variable}: ${error.message}.`,
      ...(error.expected !== undefined && { expected: error.expected }),
      ...(error.found !== undefined && { found: error.found }),
      remedy:
        'Sign it with a key that KEK holds (db, dbx) or PK (KEK, PK): sign-efi-sig-list, or strongroom image sign-variable.',
    })
  }
}

/** @throws CliError InvalidArgument */
export function variableNamed(name: string | undefined): SecureBootVariable {
  const found = secureBootVariableNames.find((each) => each === name)
  if (found !== undefined) return found
  throw new CliError({
    code: 'InvalidArgument',
    message: 'This is not a Secure Boot variable.',
    expected: secureBootVariableNames.join(', '),
    found: (name ?? 'none').slice(0, 40),
    exitCode: exitCodes.usage,
  })
}
