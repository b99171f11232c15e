import { visibleText } from '@strongroom/contract'
import { options, type VNode } from 'preact'

const shownAttributes = ['title', 'aria-label', 'placeholder', 'alt']

/** Text on a page: Windows' line ends are layout too, as in a policy between `pre`. */
const shown = (text: string): string => visibleText(text.replaceAll('\r\n', '\n'), '\n\t')

/**
 * Every text of every page, and every attribute that browsers show, with control characters and direction marks as
 * escapes. What fields hold is their user's, and stays.
 */
export function showHidden(): void {
  const before = Reflect.get(options, 'vnode') as ((of: VNode) => void) | undefined
  options.vnode = (vnode) => {
    const node = vnode as { type: unknown; props: unknown }
    // Preact's own node for a text has no type, and the text as its properties.
    if (typeof node.props === 'string') node.props = shown(node.props)
    else if (typeof node.type === 'string') showAttributes(node.props as Record<string, unknown>)
    before?.(vnode)
  }
}

function showAttributes(props: Record<string, unknown>): void {
  for (const name of shownAttributes) if (typeof props[name] === 'string') props[name] = shown(props[name])
}
