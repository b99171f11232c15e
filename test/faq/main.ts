import { parseArgs } from 'node:util'
import { faqRules, type FaqRuleId } from '../../services/control-plane/src/arm/faq-rule.ts'
import { TestInstallation } from '../system/support/installation.ts'
import { Driver } from './driver.ts'
import { Guest } from './guest.ts'
import type { Rule, Trial } from './rule.ts'
import { rules } from './rules/index.ts'

/**
 * `npm run test:faq`: the FAQ's 28 rules on the running system, each with what was done and the result. One
 * installation without guests answers for the resource manager; one with guests boots a VM of each technology, once.
 *   --only S21,S25   these rules        --no-boots   those that need no booted guest
 * Exits with 1 if a rule fails, and with 3 if none failed and some were left out.
 */
const { values } = parseArgs({ options: { only: { type: 'string' }, 'no-boots': { type: 'boolean' } } })

const asked = values.only?.toUpperCase().split(',')
const ids = Object.keys(faqRules) as FaqRuleId[]
const without = ids.filter((id) => !rules.some((rule) => rule.id === id))
if (without.length > 0) throw new Error(`no test for ${without.join(', ')}`)

let driver: Driver | undefined
let machine: TestInstallation | undefined
const guests = new Map<string, Promise<Guest>>()

async function boot(tee: 'snp' | 'tdx'): Promise<Guest> {
  if (machine === undefined) {
    machine = await TestInstallation.create()
    await machine.start()
    await machine.must('image', 'build')
  }
  // One VM for both: what it becomes on the other silicon is what S19 tests.
  const other = await guests.get(tee === 'snp' ? 'tdx' : 'snp')
  guests.clear()
  return other === undefined ? await Guest.boot(machine, tee) : await other.convert()
}

type Outcome = 'holds' | 'fails' | 'left out'
const outcomes = new Map<FaqRuleId, Outcome>()

async function judge(rule: Rule): Promise<void> {
  console.log(`\n${rule.id}  ${faqRules[rule.id]}`)
  const trial: Trial = {
    driver: (driver ??= await Driver.open(['--compute', 'simulated'])),
    guest: async (tee) => {
      const present = guests.get(tee)
      if (present !== undefined) return await present
      const made = await boot(tee)
      guests.set(tee, Promise.resolve(made))
      return made
    },
    note: (did, came) => console.log(`      ${did}\n        → ${came}`),
  }
  try {
    await rule.check(trial)
    outcomes.set(rule.id, 'holds')
  } catch (error) {
    outcomes.set(rule.id, 'fails')
    console.log(`      ✗ ${error instanceof Error ? error.message : String(error)}`)
  }
  console.log(`      ${outcomes.get(rule.id)}`)
}

/** Those without guests first, then those on SNP, the conversion, and those on TDX. */
const order = ({ boots }: Rule): number => (boots.includes('tdx') ? (boots.includes('snp') ? 2 : 3) : boots.length)

async function cleanUp(): Promise<void> {
  for (const guest of guests.values()) await (await guest.catch(() => undefined))?.remove().catch(() => {})
  await machine?.remove()
  await driver?.close()
}

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)))

try {
  for (const rule of rules.toSorted((a, b) => order(a) - order(b))) {
    const wanted = asked?.includes(rule.id) ?? true
    if (wanted && (values['no-boots'] !== true || rule.boots.length === 0)) await judge(rule)
    else outcomes.set(rule.id, 'left out')
  }
} finally {
  await cleanUp()
}

const of = (outcome: Outcome): FaqRuleId[] => ids.filter((id) => outcomes.get(id) === outcome)
console.log(`\n${of('holds').length} of ${ids.length} rules hold.`)
if (of('fails').length > 0) console.log(`Failed: ${of('fails').join(', ')}`)
if (of('left out').length > 0) console.log(`Left out: ${of('left out').join(', ')}`)
process.exitCode = of('fails').length > 0 ? 1 : of('left out').length > 0 ? 3 : 0
