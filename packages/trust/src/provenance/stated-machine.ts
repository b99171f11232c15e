import { vCPUsOf, type BootFacts } from '@strongroom/contract'
import { ParseError } from '@strongroom/evidence'
import { predictMachine } from '@strongroom/evidence/expected'
import { vouch, type Known } from './known.ts'
import { LinkNotChecked, LinkRefused, refuseUnless, type Proof } from './link.ts'

/** What a boot's evidence says about its machine. */
type MachineFacts = Pick<BootFacts, 'tee' | 'guestRan'> & { expected: Omit<BootFacts['expected'], 'pcrs'> }

/**
 * PCR 1, computed here from the shape that the host states: the tables of every shape are known, so a host that
 * states another one chooses among harmless tables, and has to run that one. A register that it states is not read.
 * @param size what was asked for: a host may provide less, never more
 * @returns undefined if no guest ran
 */
export async function statedMachine(
  { tee, guestRan, expected }: MachineFacts,
  size: Known<string>,
  proof: Proof,
): Promise<Known<Uint8Array> | undefined> {
  if (guestRan === false) return undefined
  const { vCPUs, memoryMiB, interfaces } = expected
  if (memoryMiB === undefined || interfaces === undefined)
    throw new LinkNotChecked(
      'PCR 1 is not computed: this boot’s evidence is of an earlier version, which does not state the memory and ' +
        'interfaces of the machine. Restart the VM.',
    )
  const asked = vCPUsOf(size.value)
  if (asked === undefined)
    throw new LinkNotChecked(`The name of the size ${size.value} does not contain its number of processors.`)
  refuseUnless(vCPUs <= asked, {
    message: `The machine has more processors than ${size.value}.`,
    expected: `at most ${asked} vCPUs`,
    actual: `${vCPUs} vCPUs, as the host states`,
  })
  const register = await computed({ technology: tee, vCPUs, memoryMiB, interfaces })
  proof.informs(`the machine whose ACPI tables were computed here for PCR 1: ${describe(expected)}`)
  return vouch(register, 'computed', size)
}

async function computed(machine: Parameters<typeof predictMachine>[0]): Promise<Uint8Array> {
  try {
    return await predictMachine(machine)
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    throw new LinkRefused({
      message: 'The host states a machine that no size has.',
      expected: 'processors, memory and interfaces of a size',
      actual: error.message,
    })
  }
}

const describe = ({ vCPUs, memoryMiB, interfaces }: MachineFacts['expected']): string =>
  `${vCPUs} vCPU${vCPUs === 1 ? '' : 's'}, ${memoryMiB} MiB and ${interfaces} interface${interfaces === 1 ? '' : 's'}`
