package format

// skip parses any value and, if keep is set, appends its compact text to dst:
// what it says without the white space between its parts, every number and
// string as it was written.
func (p *jsonParser) skip(dst []byte, keep bool, depth int) (out []byte, fault string) {
	if p.pos == len(p.buf) {
		return dst, errShort
	}
	start := p.pos
	switch c := p.buf[p.pos]; {
	case c == '{' || c == '[':
		return p.skipNested(dst, keep, depth)
	case c == '"':
		p.pos++
		_, fault = p.text(&p.nameBuf)
	case c == 't':
		fault = p.word("true")
	case c == 'f':
		fault = p.word("false")
	case c == 'n':
		fault = p.word("null")
	case c == '-' || '0' <= c && c <= '9':
		fault = p.number()
	default:
		return dst, "no JSON value"
	}
	if keep && fault == "" {
		dst = append(dst, p.buf[start:p.pos]...)
	}
	return dst, fault
}

// skipNested is skip for arrays and objects.
func (p *jsonParser) skipNested(dst []byte, keep bool, depth int) (out []byte, fault string) {
	if depth == maxJSONDepth {
		return dst, "nested too deep"
	}
	isObject := p.buf[p.pos] == '{'
	closing := p.buf[p.pos] + 2 // of the brace and of the bracket, in ASCII
	put := func(c byte) {
		p.pos++
		if keep {
			dst = append(dst, c)
		}
	}
	put(closing - 2)
	p.space()
	if p.at(closing) {
		put(closing)
		return dst, ""
	}
	for {
		if isObject {
			if !p.at('"') {
				return dst, p.expect('"')
			}
			if dst, fault = p.skip(dst, keep, depth+1); fault != "" {
				return dst, fault
			}
			p.space()
			if !p.at(':') {
				return dst, p.expect(':')
			}
			put(':')
			p.space()
		}
		if dst, fault = p.skip(dst, keep, depth+1); fault != "" {
			return dst, fault
		}
		p.space()
		if p.at(closing) {
			put(closing)
			return dst, ""
		}
		if !p.at(',') {
			return dst, p.expect(',')
		}
		put(',')
		p.space()
	}
}

// number takes a number, spelled as JSON has it. One that ends with the text
// may go on, so it is cut off unless something follows.
func (p *jsonParser) number() (fault string) {
	if p.at('-') {
		p.pos++
	}
	switch {
	case p.at('0'):
		p.pos++
	case p.digits() == 0:
		return p.noDigit()
	}
	if p.at('.') {
		p.pos++
		if p.digits() == 0 {
			return p.noDigit()
		}
	}
	if p.at('e') || p.at('E') {
		p.pos++
		if p.at('+') || p.at('-') {
			p.pos++
		}
		if p.digits() == 0 {
			return p.noDigit()
		}
	}
	if p.pos == len(p.buf) {
		return errShort
	}
	return ""
}

// digits takes digits and returns how many.
func (p *jsonParser) digits() (n int) {
	for p.pos < len(p.buf) && '0' <= p.buf[p.pos] && p.buf[p.pos] <= '9' {
		p.pos++
		n++
	}
	return n
}

func (p *jsonParser) noDigit() (fault string) {
	if p.pos == len(p.buf) {
		return errShort
	}
	return "bad number"
}
