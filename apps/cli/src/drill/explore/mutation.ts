/** Which of the host's inputs: QEMU's arguments, files, rows of databases, answers on a wire, events while the VM boots. */
export const kinds = ['arguments', 'files', 'rows', 'answers', 'events'] as const

export type Operation =
  | 'add'
  | 'at'
  | 'cut'
  | 'double'
  | 'drop'
  | 'empty'
  | 'exchange'
  | 'flip'
  | 'link'
  | 'move'
  | 'older'
  | 'other'

/** One change of one input: data alone, so that a finding repeats it without the generator. */
export interface Mutation {
  kind: (typeof kinds)[number]
  /** Which input, as it is called for any VM: the VM's identifier is `VM`. */
  target: string
  operation: Operation
  /** Where in it, from 0 to 1; of an event when, as a part of the time that a boot takes. */
  place?: number
  /** What is put there. `{file:NAME}` and `{text:NAME}` stand for a payload. */
  value?: string
}

/** A mutation is carried out before a boot; pairs are together, or one boot after the other. */
export type Step = readonly Mutation[]

export const textOf = ({ kind, target, operation, place, value }: Mutation): string =>
  [`${kind}: ${operation} ${target}`, place !== undefined && `at ${place}`, value !== undefined && `with ${value}`]
    .filter((part) => part !== false)
    .join(' ')

/** The mutations as the person reads them: `+` in one boot, `then` in the next. */
export const textOfSteps = (steps: readonly Step[]): string =>
  steps.map((step) => (step.length === 0 ? 'nothing' : step.map(textOf).join(' + '))).join(' then ')
