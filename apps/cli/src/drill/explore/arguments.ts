import type { Host } from '../host/host.ts'
import type { Choices } from './choices.ts'
import type { Mutation } from './mutation.ts'
import { aFile, aNumber, anotherValue, aText, filled } from './payloads.ts'
import type { HelpOption, QemuHelp } from './qemu-help.ts'

/** An option of the command line with its value: a range of arguments. */
export interface Option {
  /** As a reader finds it: `-drive 2`. */
  name: string
  from: number
  count: number
}

/** The options of a command line; its first argument is the program. */
export function optionsIn(args: readonly string[]): Option[] {
  const found: Option[] = []
  const times = new Map<string, number>()
  for (let at = 1; at < args.length;) {
    const flag = args[at]!
    const count = flag.startsWith('-') && args[at + 1]?.startsWith('-') === false ? 2 : 1
    const time = (times.get(flag) ?? 0) + 1
    times.set(flag, time)
    found.push({ name: `${flag} ${time}`, from: at, count })
    at += count
  }
  return found
}

const isFile = /file|path|rom|image|img|dir|kernel|initrd|bios|dtb/i

/** A value for a key of an option, as help describes it. */
function valueFor(choices: Choices, { key, values }: { key: string; values: readonly string[] }): string {
  const told = values.filter((each) => /^[\w-]+$/.test(each))
  if (told.length > 0) return choices.pick(told)
  if (isFile.test(key)) return aFile(choices)
  return choices.chance(0.5) ? aText(choices) : aNumber(choices)
}

/** @returns the option and its value, in one text */
function newOption(choices: Choices, { name, word, keys }: HelpOption): string {
  if (keys.length === 0 && word === undefined) return `-${name}`
  if (keys.length === 0) return `-${name} ${isFile.test(`${name} ${word}`) ? aFile(choices) : aText(choices)}`
  const parts = keys.filter(() => choices.chance(0.6)).map((each) => `${each.key}=${valueFor(choices, each)}`)
  return `-${name} ${parts.length > 0 ? parts.join(',') : `${keys[0]!.key}=${valueFor(choices, keys[0]!)}`}`
}

/** A model with at most two of its properties: what refers to something else of the command line is left out. */
export async function newDevice(choices: Choices, help: QemuHelp): Promise<string> {
  const model = choices.pick(help.devices)
  const properties = (await help.propertiesOf(model)).filter(({ type }) =>
    /^(?:str|bool|u?int\d*|OnOffAuto|size)$/.test(type),
  )
  const parts = [model]
  for (let left = choices.below(3); left > 0 && properties.length > 0; left--) {
    const { key, type } = choices.pick(properties)
    const values =
      type === 'bool' || type === 'OnOffAuto' ? ['on', 'off'] : type === 'str' ? [] : ['0', '1', '255', '65536']
    parts.push(`${key}=${valueFor(choices, { key, values })}`)
  }
  return parts.join(',')
}

/** One change of the command line of the VM's QEMU. */
export async function drawArgument(choices: Choices, args: readonly string[], help: QemuHelp): Promise<Mutation> {
  const kind = 'arguments'
  const options = optionsIn(args)
  const operation = choices.pick(['drop', 'double', 'move', 'exchange', 'exchange', 'exchange', 'add', 'add'] as const)
  if (operation === 'add') {
    const value = choices.chance(0.4)
      ? `-device ${await newDevice(choices, help)}`
      : newOption(choices, choices.pick(help.options))
    return { kind, target: 'the command line', operation, value }
  }
  const option = choices.pick(options)
  if (operation === 'drop' || operation === 'double') return { kind, target: option.name, operation }
  if (operation === 'move') return { kind, target: option.name, operation, place: choices.place() }
  const valued = options.filter(({ count }) => count === 2)
  const { name, from } = choices.pick(valued)
  const parts = args[from + 1]!.split(',')
  const index = choices.below(parts.length)
  const part = parts[index]!
  const target = `${name}, part ${index}`
  if (choices.chance(0.25)) return { kind, target, operation: 'cut' }
  const at = part.indexOf('=')
  const key = part.slice(0, at + 1)
  return { kind, target, operation, value: `${key}${anotherValue(choices, part.slice(at + 1))}` }
}

/** Changes the launcher. @param args of the control boot; a boot from the same state has as many */
export async function changeArguments(host: Host, args: readonly string[], mutation: Mutation): Promise<void> {
  const { target, operation, value = '' } = mutation
  const escaped = await filled(value, host, (text) => text.replaceAll(',', ',,'))
  if (operation === 'add') {
    const at = escaped.indexOf(' ')
    return host.qemu.add(...(at < 0 ? [escaped] : [escaped.slice(0, at), escaped.slice(at + 1)]))
  }
  const [name, part] = target.split(', part ')
  const options = optionsIn(args)
  const option = options.find((each) => each.name === name)
  if (option === undefined) throw new Error(`the command line has no ${name}`)
  if (part !== undefined)
    return host.qemu.editPart(option.from + 1, Number(part), operation === 'cut' ? undefined : escaped)
  host.qemu.order(orderOf(args.length, options, option, mutation))
}

/** Numbers of the arguments, as they are given from now on. */
export function orderOf(
  length: number,
  options: readonly Option[],
  { from, count }: Option,
  { operation, place = 0 }: Pick<Mutation, 'operation' | 'place'>,
): number[] {
  const own = Array.from({ length: count }, (_, index) => from + index)
  const all = Array.from({ length }, (_, index) => index)
  if (operation === 'double') return [...all, ...own]
  const others = all.filter((index) => !own.includes(index))
  if (operation === 'drop') return others
  const before = options[Math.floor(place * options.length)]!.from
  const at = others.findIndex((index) => index >= before)
  return others.toSpliced(at < 0 ? others.length : at, 0, ...own)
}
