/** Options whose values are constants: another value is another input. */
const whole = ['-machine', '-global', '-action', '-sandbox']
/** Options whose value begins with the name of a driver. */
const driven = ['-device', '-object', '-netdev', '-chardev', '-tpmdev', '-blockdev']

/** A comma separates; two stand for one in a value. */
const parts = (value: string): string[] => value.split(/(?<!,),(?!,)/)
const nameOf = (part: string): string => part.split('=', 1)[0]!

/** Of a disk, its name without a number: what becomes of it depends on which one it is. */
const nameOrDisk = (part: string): string =>
  /^(?:node-name|id)=(?:os|data|temporary)/.test(part) ? part.replace(/-\d+/, '') : nameOf(part)

/**
 * QEMU's arguments by name: the option, its driver and the names of what it is given, without values that differ from VM
 * to VM.
 */
export function argumentNames(args: readonly string[]): string[] {
  const found = args.flatMap((option, at) => {
    if (!option.startsWith('-')) return []
    const value = args[at + 1]
    if (value === undefined || value.startsWith('-')) return [option]
    if (whole.includes(option)) return [`${option} ${value}`]
    if (!driven.includes(option)) {
      const names = parts(value)
        .filter((part) => part.includes('='))
        .map(nameOf)
      return [[option, names.toSorted().join(' ')].join(' ').trimEnd()]
    }
    const [first = '', ...rest] = parts(value)
    const names = [`${option} ${first.replace(/^driver=/, '')}`, ...rest.map(nameOrDisk).toSorted()]
    return [names.join(' '), ...networkNames(value)]
  })
  return [...new Set(found)].toSorted()
}

/** Options of libslirp's network. */
function networkNames(value: string): string[] {
  const [, options] = /sock=slirp:\/\/\/(.*)$/.exec(value) ?? []
  return options === undefined ? [] : options.split(/(?<!\\)\//).map((option) => `slirp ${nameOf(option)}`)
}
