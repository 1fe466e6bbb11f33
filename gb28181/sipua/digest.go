package sipua

// Credentials answer a registrar's digest challenge.
type Credentials struct {
	Username string
	Password string
}

// Authorize answers the strongest known of the challenges (values of WWW-Authenticate) with an Authorization value.
func (c Credentials) Authorize(challenges []string, method, uri string) (string, error) {
	return "", errStub
}

// Challenger is the server side of digest authentication.
type Challenger struct {
	Realm     string
	Algorithm string // "MD5", "SHA-256" or empty: MD5 without the parameter
	QOP       bool   // offer qop="auth"
}

// Challenge makes a WWW-Authenticate value.
func (c *Challenger) Challenge() string { return "" }

// Check checks an Authorization value; password gives a user's password.
func (c *Challenger) Check(authorization, method string, password func(user string) (string, bool)) error {
	return errStub
}
