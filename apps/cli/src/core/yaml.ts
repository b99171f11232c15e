import { visibleJson } from '@strongroom/contract'

/** Texts that are literal in YAML 1.1 and 1.2; all others are quoted as JSON, which YAML reads too. */
const plain = /^[A-Za-z_/][A-Za-z0-9_./@-]*(?: [A-Za-z0-9_./@-]+)*$/
const words = /^(?:true|false|yes|no|on|off|y|n|null|nan|inf)$/i

function scalarOf(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value ?? null)
  if (plain.test(value) && !words.test(value)) return value
  // Characters that YAML forbids are escaped; JSON may leave them.
  return visibleJson(value).replaceAll(
    /[\ufeff\ufffe\uffff]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

const isEmpty = (value: object): boolean => Object.keys(value).length === 0

/** Data as YAML in block style. */
export const yamlOf = (data: unknown): string => linesOf(data).join('\n')

function linesOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [scalarOf(value)]
  if (isEmpty(value)) return [Array.isArray(value) ? '[]' : '{}']
  if (Array.isArray(value)) {
    return value.flatMap((item) => linesOf(item).map((line, index) => (index === 0 ? `- ${line}` : `  ${line}`)))
  }
  return Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .flatMap(([name, member]: [string, unknown]) => {
      const lines = linesOf(member)
      const nested = typeof member === 'object' && member !== null && !isEmpty(member)
      if (!nested) return [`${scalarOf(name)}: ${lines[0]}`]
      return [`${scalarOf(name)}:`, ...lines.map((line) => (Array.isArray(member) ? line : `  ${line}`))]
    })
}
