import { managementHost, type ErrorDetail } from '@strongroom/contract'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The FAQ rules that this system implements, each in one sentence: added to a refusal's own message. */
export const faqRules = {
  S1: 'Data in use is encrypted with keys that the processor generates and that cannot be extracted.',
  S2: 'The host is attested before any data is processed, and each VM has its own virtual TPM.',
  S3: 'Workloads move without changes: the guest is an ordinary UEFI image.',
  S4: 'SEV-SNP reports are generated and fully verified.',
  S5: 'TDX reports and quotes are generated and fully verified.',
  S6: 'No host administrator or service can read or change what a confidential VM holds.',
  S7: 'Confidential encryption covers the OS disk; data disks are encrypted in the guest.',
  S8: 'A page file is protected only on the encrypted OS disk.',
  S9: 'No host memory dump can be made of a confidential VM.',
  S10: 'SEV-SNP VMs are attested during boot, and by their users on demand.',
  S11: 'TDX VMs are attested during boot, and a tenant can name its own verifier.',
  S12: 'An image must qualify before a confidential VM can be created from it.',
  S13: 'Images are customised through a compute gallery.',
  S14: 'Full OS-disk encryption is optional and can be combined with other encryption, which may cost performance.',
  S15: 'Secrets can be sealed to the VM’s own vTPM once it is ready.',
  S16: 'Full disk encryption cannot be switched on or off after creation.',
  S17: 'NonPersistedTPM separates the VM from the operator’s services, on TDX only.',
  S18: 'A VM that is not confidential can never become confidential.',
  S19: 'DCasv5/ECasv5 and DCesv5/ECesv5 convert into each other where a region offers both.',
  S20: 'A size that is unavailable says why.',
  S21: 'Confidential VMs have no accelerated networking.',
  S22: 'Quotas limit cores by family and region; a request asks for more.',
  S23: 'EC sizes have more memory per vCPU than DC sizes.',
  S24: 'Confidential VMs are not available in every region.',
  S25: 'The operator’s staff cannot enter a confidential VM, even with its owner’s permission.',
  S26: 'Confidential VMs have no nested virtualisation.',
  S27: 'Usage, storage, size and region are billed; the guest-state disk and managed HSM pools are billed separately.',
  S28: 'The clock of DCesv5/ECesv5 VMs may differ a little from UTC; there is a remedy.',
} as const

export type FaqRuleId = keyof typeof faqRules

/** Where a rule's answer is; served by the resource manager itself, without a token. */
export const faqLink = (rule: FaqRuleId): string => `https://${managementHost}/docs/faq#${rule.toLowerCase()}`

/** The entry in a refusal's `details` that cites a rule. */
export const faqRule = (rule: FaqRuleId): ErrorDetail => ({
  code: 'FaqRule',
  target: rule,
  message: `${rule}: ${faqRules[rule]} See ${faqLink(rule)}`,
})

const source = join(import.meta.dirname, '../../../../docs/proof/faq.md')

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** The answers of docs/proof/faq.md as a plain page: each rule's heading has an anchor with its number in lower case. */
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
  return (
    '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Confidential VMs: the FAQ’s answers</title>\n' +
    `${html.join('\n')}\n</html>\n`
  )
}
