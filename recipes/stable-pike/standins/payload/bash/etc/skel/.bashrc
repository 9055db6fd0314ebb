# Stand-in for the .bashrc that new accounts get.
if [ -f /etc/bashrc ]; then
    . /etc/bashrc
fi
