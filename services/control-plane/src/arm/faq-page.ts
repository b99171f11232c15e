import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const source = join(import.meta.dirname, '../../../../docs/faq.md')

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** The answers of docs/faq.md as a plain page: each rule's heading can be linked to by its number in lower case. */
export const faqPage = async (): Promise<string> => htmlOf(await readFile(source, 'utf8'))

/** @param markdown headings and paragraphs; a rule's heading begins with its number */
export function htmlOf(markdown: string): string {
  const blocks = markdown.split(/\n{2,}/)
  const html = blocks.map((block) => {
    const rule = /^## (S\d+)\b/.exec(block)?.[1]
    const [heading, ...rest] = block.split('\n') as [string, ...string[]]
    const body = rest.length === 0 ? '' : `\n<p>${escape(rest.join('\n'))}</p>`
    if (rule !== undefined) return `<h2 id="${rule.toLowerCase()}">${escape(heading.slice(3))}</h2>${body}`
    return heading.startsWith('# ') ? `<h1>${escape(heading.slice(2))}</h1>${body}` : `<p>${escape(block.trim())}</p>`
  })
  return `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Confidential VMs: the FAQ’s answers</title>\n${html.join('\n')}\n</html>\n`
}
