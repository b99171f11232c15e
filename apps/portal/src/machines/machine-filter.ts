import { encryptionOf, groupOf, powerOf, type Machine } from '../resources/machine.ts'

const texts = new WeakMap<Machine, string>()

/** All searchable text, computed once per machine: a filter over 10,000 answers while one types. */
function textOf(machine: Machine): string {
  const known = texts.get(machine)
  if (known !== undefined) return known
  const { properties, location, tags = {} } = machine
  const text = [
    machine.name,
    groupOf(machine.id),
    location,
    properties.hardwareProfile.vmSize,
    properties.provisioningState,
    powerOf(properties.instanceView).power,
    encryptionOf(machine) ?? '',
    ...Object.entries(tags).map(([name, value]) => `${name}=${value}`),
  ]
    .join('\n')
    .toLowerCase()
  texts.set(machine, text)
  return text
}

/** Keeps a machine if every word of the filter occurs in what the list shows. */
export function filterOf(filter: string): (machine: Machine) => boolean {
  const words = filter.toLowerCase().split(/\s+/)
  return (machine) => {
    const text = textOf(machine)
    return words.every((word) => text.includes(word))
  }
}
