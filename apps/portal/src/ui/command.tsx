import { useState } from 'preact/hooks'

/** Text to copy, as it is. */
export function Command({ text, label = 'Command' }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false)
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text)
    setCopied(true)
    setTimeout(() => setCopied(false), 2000)
  }
  return (
    <div class="command">
      <pre tabIndex={0} aria-label={label}>
        <code dir="ltr">{text}</code>
      </pre>
      <button type="button" onClick={() => void copy()}>
        {copied ? 'Copied' : 'Copy'}
      </button>
    </div>
  )
}
