import {
  authorityRemedy,
  domain,
  ownSharedIssuer,
  type ReleaseAuthority,
  type ReleaseCondition,
  type ReleasePolicy,
} from '@strongroom/contract'
import { normalAuthority } from './authority.ts'
import { knownClaim, nestedUnder, structuredClaims, type KnownClaim } from './claims.ts'
import { comparisonOf, isOrder, type Comparison, type Operand } from './comparison.ts'

export type LintCode =
  | 'AnyConfidentialVm'
  | 'ChosenInGuest'
  | 'DebugNotExcluded'
  | 'ChangesWithFirmware'
  | 'FlatAndNested'
  | 'FlatClaims'
  | 'NeverSatisfied'
  | 'ClaimType'
  | 'AbsenceAsked'
  | 'UnknownClaim'
  | 'AuthorityNotTrusted'
  | 'SameAuthorityTwice'

export interface LintWarning {
  code: LintCode
  /** Path in the policy. */
  place: string
  message: string
  remedy: string
}

interface Leaf extends Comparison {
  place: string
}

const ofInitTime = /^(x-ms-isolation-tee\.)?x-ms-inittime\./
const chosenInGuest = /^(x-ms-isolation-tee\.)?x-ms-runtime\.(?!vm-configuration(\.|$))/
/** States without debug, and that of AKS pods, which is undocumented. */
const excludingStates = ['azure-compliant-cvm', 'azure-compliant-uvm']
const complianceStates = [...excludingStates, 'azure-signed-katacc-uvm']

/**
 * Likely mistakes in a valid policy. A policy without warnings may still be wrong.
 * @example
 * import { lintReleasePolicy, readReleasePolicy } from '@strongroom/release-policy'
 *
 * const policy = readReleasePolicy(`{
 *   "version": "1.0.0",
 *   "anyOf": [{
 *     "authority": "https://sharedeus.eus.attest.azure.net",
 *     "allOf": [{ "claim": "x-ms-isolation-tee.x-ms-attestation-type", "equals": "sevsnpvm" }]
 *   }]
 * }`)
 * const warnings = lintReleasePolicy(policy)
 * warnings.map(({ code }) => code) // => ['AnyConfidentialVm', 'DebugNotExcluded', 'AuthorityNotTrusted']
 */
export function lintReleasePolicy(policy: ReleasePolicy): LintWarning[] {
  const list = `$.${policy.writtenAs ?? 'anyOf'}`
  const warnings = policy.anyOf.flatMap((entry, index) => lintAuthority(entry, `${list}[${index}]`))
  return [...warnings, ...lintAuthorities(policy, list)]
}

/** @param list path of the list of authorities */
function lintAuthorities({ anyOf }: ReleasePolicy, list: string): LintWarning[] {
  const warnings: LintWarning[] = []
  const origins = anyOf.map(({ authority }) => normalAuthority(authority))
  const foreign = origins.flatMap((origin, index) => (origin?.endsWith(`.attest.${domain}`) === true ? [] : [index]))
  const [first] = foreign
  if (first !== undefined) {
    const replaced = foreign.find((index) => ownSharedIssuer(origins[index] ?? '') !== undefined) ?? first
    warnings.push({
      code: 'AuthorityNotTrusted',
      place: `${list}[${first}].authority`,
      message:
        `${foreign.length} of ${anyOf.length} authorities are not attestation providers of a Strongroom ` +
        'installation, which releases keys only for tokens from its own providers.',
      remedy: `${authorityRemedy(origins[replaced] ?? anyOf[replaced]!.authority)} On Azure the policy may be right as written.`,
    })
  }
  const texts = new Map<string, number>()
  for (const [index, entry] of anyOf.entries()) {
    const text = JSON.stringify({ ...entry, authority: origins[index] })
    const before = texts.get(text)
    if (before !== undefined) {
      warnings.push({
        code: 'SameAuthorityTwice',
        place: `${list}[${index}]`,
        message: `The entry duplicates ${list}[${before}].`,
        remedy: 'Remove one of them.',
      })
    } else texts.set(text, index)
  }
  return warnings
}

function lintAuthority(entry: ReleaseAuthority, place: string): LintWarning[] {
  const all = leaves(entry, place)
  const warnings: LintWarning[] = []
  const warn = (code: LintCode, at: string, message: string, remedy: string): void =>
    void warnings.push({ code, place: at, message, remedy })

  if (!binds(entry)) {
    warn(
      'AnyConfidentialVm',
      place,
      'Every confidential VM that this authority attests satisfies the entry, whoever owns it.',
      'Add a claim that only your VM or image has: vmUniqueId below x-ms-runtime.vm-configuration, x-ms-azurevm-vmid, or host data.',
    )
  }
  if (!excludesDebug(entry)) {
    warn(
      'DebugNotExcluded',
      place,
      'A VM whose host can read and write its memory (debug) can satisfy the entry.',
      'Add x-ms-compliance-status = azure-compliant-cvm, which no debuggable VM has, or ' +
        'x-ms-sevsnpvm-is-debuggable = false or tdx_td_attributes_debug = false.',
    )
  }
  const forms = new Set(all.map((leaf) => formOf(leaf)))
  if (forms.has('flat') && forms.has('nested')) {
    warn(
      'FlatAndNested',
      place,
      `The entry requires both top-level claims and claims below ${nestedUnder}. A token from a VM's boot has ` +
        'only the former, a token fetched by a guest only the latter.',
      `Write all of them below ${nestedUnder} for guests (/attest/AzureGuest), or none for the boot (/attest/SevSnpVm, /attest/TdxVm).`,
    )
  } else if (forms.has('flat')) {
    warn(
      'FlatClaims',
      place,
      'The entry requires top-level claims: a VM satisfies it while it boots, but programs in a guest never do, ' +
        'because their tokens nest these claims.',
      `For programs in guests, write ${nestedUnder} before each of them; for disk keys, leave them.`,
    )
  }
  for (const leaf of all) warnings.push(...lintLeaf(leaf))
  for (const leaf of contradictions(entry, place)) {
    warn(
      'NeverSatisfied',
      leaf.place,
      `${leaf.claim} would need two values at once.`,
      'Put the alternatives into anyOf.',
    )
  }
  return warnings
}

function lintLeaf(leaf: Leaf): LintWarning[] {
  const { claim, place, operator, operand } = leaf
  const absence: LintWarning[] =
    operator === 'exists' && operand === false
      ? [
          {
            code: 'AbsenceAsked',
            place: `${place}.exists`,
            message: `Any token from the authority without ${claim} satisfies this, whatever the reason it is missing.`,
            remedy: 'Require a value that the token must contain.',
          },
        ]
      : []
  const known = knownClaim(claim)
  return [...absence, ...(known ? lintKnown(leaf, known.claim, known.name) : lintUnknown(leaf))]
}

function lintUnknown({ claim, operator, operand, place }: Leaf): LintWarning[] {
  if (structuredClaims.has(claim)) {
    if (operator === 'exists') return []
    return [
      {
        code: 'ClaimType',
        place: `${place}.${operator}`,
        message: `${claim} is an object or a list, which cannot be compared with a value.`,
        remedy: 'Compare a member of the object, after a dot, or test whether the claim exists.',
      },
    ]
  }
  const warnings: LintWarning[] = []
  if (chosenInGuest.test(claim)) {
    warnings.push({
      code: 'ChosenInGuest',
      place: `${place}.claim`,
      message: `${claim} is sent by whoever attests: a program in any VM can send the same value, and no hardware vouches for it.`,
      remedy: 'Use it as a nonce or a label, and require a platform claim as well.',
    })
  } else if (isUnknown(claim)) {
    warnings.push({
      code: 'UnknownClaim',
      place: `${place}.claim`,
      message: `No token from an attestation provider of Strongroom has the claim ${claim}, and an absent claim is never equal.`,
      remedy: 'Compare the name with a token from your provider.',
    })
  }
  if (operand === 'true' || operand === 'false') {
    warnings.push({
      code: 'ClaimType',
      place: `${place}.${operator}`,
      message: `"${operand}" is a string, and Boolean claims are never equal to it; samples for Azure write Booleans this way.`,
      remedy: `Write ${operand} without quotation marks if the claim is a Boolean.`,
    })
  }
  return warnings
}

function lintKnown({ claim, operator, operand, place }: Leaf, known: KnownClaim, name: string): LintWarning[] {
  const warnings: LintWarning[] = []
  if (isOrder(operator) && known.type !== 'number') {
    warnings.push({
      code: 'ClaimType',
      place: `${place}.${operator}`,
      message: `${claim} is a ${known.type}, and only numbers have an order.`,
      remedy: 'Use equals or notEquals.',
    })
  } else if (operator !== 'exists' && typeof operand !== known.type) {
    warnings.push({
      code: 'ClaimType',
      place: `${place}.${operator}`,
      message:
        `${claim} is a ${known.type}, and is never ${operator === 'notEquals' ? 'compared with' : 'equal to'} the ` +
        `${typeof operand} ${JSON.stringify(operand)}.`,
      remedy: `Write ${JSON.stringify(converted(operand, known.type))}.`,
    })
  }
  if (isNoState(name, operator, operand)) {
    warnings.push({
      code: 'NeverSatisfied',
      place: `${place}.equals`,
      message: `x-ms-compliance-status is ${complianceStates.join(', ')}, if present at all.`,
      remedy: 'Write azure-compliant-cvm for confidential VMs.',
    })
  }
  if (known.changes === true && (operator === 'equals' || operator === 'less' || operator === 'lessOrEquals')) {
    warnings.push({
      code: 'ChangesWithFirmware',
      place,
      message: `${claim} changes when the platform updates its firmware; from then on no VM can get the key.`,
      remedy:
        known.type === 'number'
          ? 'Write greaterOrEquals: later firmware has a higher number.'
          : 'Require it only if you update the policy before the firmware; an immutable policy cannot be updated.',
    })
  }
  return warnings
}

function formOf({ claim }: Leaf): 'flat' | 'nested' | 'top' | undefined {
  if (claim.startsWith(`${nestedUnder}.`)) return 'nested'
  return knownClaim(claim)?.form
}

/** No token here satisfies it, so no other warning about the entry is needed. */
function isNeverMet({ claim, operator, operand }: Comparison): boolean {
  if (structuredClaims.has(claim)) return operator !== 'exists'
  const known = knownClaim(claim)
  if (!known) return isUnknown(claim) && !(operator === 'exists' && operand === false)
  if (operator === 'exists') return false
  if (typeof operand !== known.claim.type) return true
  return isNoState(known.name, operator, operand)
}

const isUnknown = (claim: string): boolean =>
  claim.startsWith('x-ms-') && !ofInitTime.test(claim) && !chosenInGuest.test(claim)

const isNoState = (name: string, operator: string, operand: Operand): boolean =>
  name === 'x-ms-compliance-status' && operator === 'equals' && !complianceStates.includes(operand as string)

/** Whether each way to satisfy the condition requires something that other tenants' VMs lack. */
function binds(condition: ReleaseCondition): boolean {
  if ('claim' in condition) {
    const comparison = comparisonOf(condition)
    const { claim, operator, operand } = comparison
    if (isNeverMet(comparison)) return true
    // A value that differs from, or exceeds, a VM's own does not exclude other VMs.
    if (operator !== 'equals') return false
    const known = knownClaim(claim)
    // A zero value means that nothing was set at launch.
    if (known?.claim.binds === 'launch') return !/^0*$/.test(String(operand))
    // A tenant's launch value is in the host data. What programs in the VM claim binds nobody.
    return known ? known.claim.binds === 'vm' : ofInitTime.test(claim)
  }
  return 'allOf' in condition ? condition.allOf.some(binds) : condition.anyOf.every(binds)
}

function excludesDebug(condition: ReleaseCondition): boolean {
  if ('claim' in condition) {
    const comparison = comparisonOf(condition)
    const { claim, operator, operand } = comparison
    if (isNeverMet(comparison)) return true
    const name = knownClaim(claim)?.name
    if (name === 'x-ms-compliance-status') return operator === 'equals' && excludingStates.includes(operand as string)
    const flag = name === 'x-ms-sevsnpvm-is-debuggable' || name === 'tdx_td_attributes_debug'
    return flag && ((operator === 'equals' && operand === false) || (operator === 'notEquals' && operand === true))
  }
  return 'allOf' in condition ? condition.allOf.some(excludesDebug) : condition.anyOf.every(excludesDebug)
}

function leaves(condition: ReleaseCondition, place: string): Leaf[] {
  if ('claim' in condition) return [{ ...comparisonOf(condition), place }]
  const key = 'allOf' in condition ? 'allOf' : 'anyOf'
  const list = 'allOf' in condition ? condition.allOf : condition.anyOf
  return list.flatMap((entry, index) => leaves(entry, `${place}.${key}[${index}]`))
}

/** Leaves of one conjunction that require different values of the same claim. */
function contradictions(condition: ReleaseCondition, place: string): Leaf[] {
  if ('claim' in condition) return []
  if ('anyOf' in condition) {
    return condition.anyOf.flatMap((entry, index) => contradictions(entry, `${place}.anyOf[${index}]`))
  }
  const seen = new Map<string, Operand>()
  const found: Leaf[] = []
  const walk = (entries: ReleaseCondition[], at: string): void => {
    for (const [index, entry] of entries.entries()) {
      const here = `${at}.allOf[${index}]`
      if ('allOf' in entry) walk(entry.allOf, here)
      else if ('anyOf' in entry) found.push(...contradictions(entry, here))
      else if ('equals' in entry) {
        const leaf = { ...comparisonOf(entry), place: here }
        if (seen.has(leaf.claim) && seen.get(leaf.claim) !== leaf.operand) found.push(leaf)
        else seen.set(leaf.claim, leaf.operand)
      }
    }
  }
  walk(condition.allOf, place)
  return found
}

function converted(value: Operand, type: KnownClaim['type']): Operand {
  if (type === 'string') return String(value)
  if (type === 'boolean') return value === 'true' || value === 1 || value === '1'
  return Number(value) || 0
}
