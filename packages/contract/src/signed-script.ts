/** Longest run of a script, in seconds, as on Azure. */
export const mostScriptSeconds = 5400

/** In an instance view, begins the code of the status that ends in the number of the guest's boot. */
export const bootNumberCode = 'BootNumber/'

/** What a signed script names in its first comments, `# strongroom-NAME: VALUE` (docs/guides/guests.md). */
export const scriptConditions = ['vm', 'boot', 'expires', 'limit', 'nonce'] as const
export type ScriptCondition = (typeof scriptConditions)[number]

/** Begins a script's last line, a signature over all lines before it. */
export const signatureMark = '# strongroom-signature: '

const condition = /^# strongroom-([a-z]+): (.*)$/

/** A condition's value among a script's first comments, as its guest reads them; the guest refuses one that is there twice. */
export function conditionOf(script: string, name: ScriptCondition): string | undefined {
  for (const line of script.split('\n')) {
    if (!line.startsWith('#')) return undefined
    const [, found, value] = condition.exec(line) ?? []
    if (found === name) return value
  }
  return undefined
}

/** The script without the conditions and the signature of an earlier signing. */
export function withoutConditions(script: string): string {
  const lines = script.replace(/\n# strongroom-signature: [A-Za-z0-9+/=]+\s*$/, '\n').split('\n')
  const length = lines.findIndex((line) => !line.startsWith('#'))
  const end = length === -1 ? lines.length : length
  const isOurs = (line: string): boolean => scriptConditions.some((name) => line.startsWith(`# strongroom-${name}: `))
  return [...lines.slice(0, end).filter((line) => !isOurs(line)), ...lines.slice(end)].join('\n')
}
